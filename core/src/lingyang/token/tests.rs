use std::{format, iter, string::ToString, vec::Vec};

use proptest::prelude::*;

use super::*;

/// The published vector.
const KEY: &[u8] = b"d57559a82027b7d846318a0c1596d645";
const TEXT: &str = "10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424";
const EXPIRE: u64 = 1_475_031_947;

// HMAC-MD5 of another implementation, for keys of one block and of one byte more.
const KEY_OF_64: &str = "1_0_0_5e1e8ec49bc2b4aa72ab4d55e944fce6";
const KEY_OF_65: &str = "4294967295_4294967295_4294967295_c51fc11f6793b3dc22c000ed2523ff5c";

#[test]
fn the_published_vector_is_issued_and_verified() {
    let token = Token::issue(KEY, Cid::new(10_000).unwrap(), 3_222_274_048, 1_475_031_947);
    assert_eq!(token.to_string(), TEXT);
    assert_eq!(token.encode(&mut [0; MAX_ENCODED_LEN]), TEXT);

    let read: Token = TEXT.parse().unwrap();
    assert_eq!(read, token);
    assert_eq!((read.cid().value(), read.control(), read.expire()), (10_000, 3_222_274_048, 1_475_031_947));
    assert_eq!(read.verify([KEY], EXPIRE), Ok(()));
}

#[test]
fn keys_of_any_length_sign_as_hmac_says() {
    for (key, cid, control, expire, expected) in [
        (iter::repeat_n(b'k', 64).collect::<Vec<u8>>(), 1, 0, 0, KEY_OF_64),
        (iter::repeat_n(b'k', 65).collect::<Vec<u8>>(), u32::MAX, u32::MAX, u32::MAX, KEY_OF_65),
    ] {
        let token = Token::issue(&key, Cid::new(cid).unwrap(), control, expire);
        assert_eq!(token.to_string(), expected);
        assert_eq!(token.verify([key.as_slice()], 0), Ok(()));
    }
    assert_eq!(KEY_OF_65.len(), MAX_ENCODED_LEN, "the longest token fills the buffer");
}

#[test]
fn a_token_is_exactly_four_sections() {
    use MalformedToken as M;

    const HEX: &str = "f124654ced4d5b30dad739caac64f424";
    for (text, expected) in [
        // "Exactly 4 sections"
        ("", Err(M::TooFewSections)),
        ("10000", Err(M::TooFewSections)),
        ("10000_0_0", Err(M::TooFewSections)),
        ("10000_0_0_", Err(M::Digest)),
        (&format!("10000_0_0_{HEX}"), Ok(())),
        (&format!("10000_0_0_{HEX}_"), Err(M::TooManySections)),
        (&format!("10000_0_0_{HEX}_bucket"), Err(M::TooManySections)),
        // "three decimal u32"
        (&format!("4294967295_4294967295_4294967295_{HEX}"), Ok(())),
        (&format!("4294967296_0_0_{HEX}"), Err(M::Cid)),
        (&format!("1_4294967296_0_{HEX}"), Err(M::Control)),
        (&format!("1_0_42949672950_{HEX}"), Err(M::Expire)),
        (&format!("_0_0_{HEX}"), Err(M::Cid)),
        (&format!("1__0_{HEX}"), Err(M::Control)),
        (&format!("1_0__{HEX}"), Err(M::Expire)),
        (&format!("0x1_0_0_{HEX}"), Err(M::Cid)),
        (&format!("1_1.5_0_{HEX}"), Err(M::Control)),
        (&format!(" 1_0_0_{HEX}"), Err(M::Cid)),
        (&format!("1_0_٣_{HEX}"), Err(M::Expire)),
        // "cid 0 invalid"
        (&format!("0_0_0_{HEX}"), Err(M::Cid)),
        // "no leading zeros, signs or uppercase hex"
        (&format!("01_0_0_{HEX}"), Err(M::Cid)),
        (&format!("1_00_0_{HEX}"), Err(M::Control)),
        (&format!("1_0_01_{HEX}"), Err(M::Expire)),
        (&format!("+1_0_0_{HEX}"), Err(M::Cid)),
        (&format!("1_-0_0_{HEX}"), Err(M::Control)),
        (&format!("1_0_0_{}", HEX.to_uppercase()), Err(M::Digest)),
        // "32 lowercase hex"
        (&format!("1_0_0_{HEX}0"), Err(M::Digest)),
        (&format!("1_0_0_{}", &HEX[1..]), Err(M::Digest)),
        (&format!("1_0_0_{}g", &HEX[1..]), Err(M::Digest)),
        (&format!("1_0_0_{}_x", &HEX[1..]), Err(M::Digest)),
        (&format!("1_0_0_{HEX}\n"), Err(M::Digest)),
    ] {
        assert_eq!(Token::parse(text).map(drop), expected, "{text:?}");
    }
}

#[test]
fn a_token_without_end_is_refused_in_bounded_memory_and_time() {
    for (forever, expected) in [
        ('1', MalformedToken::Cid),
        ('0', MalformedToken::Cid),
        ('_', MalformedToken::Cid),
        ('\u{0}', MalformedToken::Cid),
    ] {
        assert_eq!(Token::parse_chars(iter::repeat(forever)), Err(expected), "{forever:?}");
    }

    let mut taken = 0;
    let longest = KEY_OF_65.chars().chain(iter::repeat('f')).inspect(|_| taken += 1);
    assert_eq!(Token::parse_chars(longest), Err(MalformedToken::Digest));
    assert_eq!(taken, MAX_ENCODED_LEN + 1);
}

#[test]
fn any_of_the_apps_keys_may_match() {
    let token = Token::parse(TEXT).unwrap();
    for (keys, expected) in [
        (&[KEY, b"other"] as &[&[u8]], Ok(())),
        (&[b"other", KEY], Ok(())),
        (&[b"other", KEY, b"third"], Ok(())),
        (&[b"other"], Err(TokenError::WrongDigest)),
        (&[b""], Err(TokenError::WrongDigest)),
        (&[], Err(TokenError::WrongDigest)),
    ] {
        assert_eq!(token.verify(keys.iter().copied(), EXPIRE), expected, "{keys:?}");
    }
}

#[test]
fn every_key_is_tried_even_after_one_has_matched() {
    let mut tried = 0;
    let keys = [KEY, b"other", b"third"].into_iter().inspect(|_| tried += 1);
    assert_eq!(Token::parse(TEXT).unwrap().verify(keys, EXPIRE), Ok(()));
    assert_eq!(tried, 3);
}

#[test]
fn an_empty_key_signs_for_nobody() {
    let forged = Token::issue(b"", Cid::new(1).unwrap(), 0, u32::MAX);
    assert_eq!(forged.verify([b"" as &[u8], KEY], 0), Err(TokenError::WrongDigest));
}

#[test]
fn a_token_is_expired_once_its_second_is_past() {
    let token = Token::parse(TEXT).unwrap();
    let expired = Err(TokenError::Expired { expire: 1_475_031_947 });
    // "expired iff expire < now"
    for (now, expected) in
        [(0, Ok(())), (EXPIRE - 1, Ok(())), (EXPIRE, Ok(())), (EXPIRE + 1, expired), (u64::MAX, expired)]
    {
        assert_eq!(token.verify([KEY], now), expected, "{now}");
    }
    // Past the last second a u32 can name, every token is over, and none is young again.
    let last = Token::issue(KEY, Cid::new(1).unwrap(), 0, u32::MAX);
    assert_eq!(last.verify([KEY], u64::from(u32::MAX)), Ok(()));
    assert_eq!(last.verify([KEY], 1 << 32), Err(TokenError::Expired { expire: u32::MAX }));
}

#[test]
fn a_wrong_digest_is_not_told_that_it_is_expired() {
    assert_eq!(Token::parse(TEXT).unwrap().verify([b"other" as &[u8]], u64::MAX), Err(TokenError::WrongDigest));
}

#[test]
fn no_truncation_of_the_vector_is_a_token() {
    for len in 0..TEXT.len() {
        assert!(Token::parse(&TEXT[..len]).is_err(), "{len}");
    }
}

#[test]
fn no_change_of_a_byte_of_the_vector_verifies() {
    let (mut texts, mut tokens) = (0, 0);
    for at in 0..TEXT.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = TEXT.as_bytes().to_vec();
            if core::mem::replace(&mut bytes[at], byte) == byte {
                continue;
            }
            let Ok(text) = core::str::from_utf8(&bytes) else { continue };
            texts += 1;
            let Ok(token) = Token::parse(text) else { continue };
            tokens += 1;
            assert_eq!(token.verify([KEY], 0), Err(TokenError::WrongDigest), "{text}");
        }
    }
    // ASCII stays UTF-8 under 127 of 255 changes; the rest would never reach the digest.
    assert_eq!(texts, TEXT.len() * 127);
    assert!(tokens > 500, "the digest decided only {tokens} times");
}

#[test]
fn logs_show_no_digest_and_messages_say_what_to_do() {
    let token = Token::parse(TEXT).unwrap();
    assert_eq!(format!("{token:?}"), "10000_3222274048_1475031947_…");
    for (error, message) in [
        (
            TokenError::Malformed(MalformedToken::Digest),
            "the token's digest (section 4) must be 32 lower-case hex digits",
        ),
        (
            TokenError::WrongDigest,
            "the token's digest matches no key of the app; issue it anew with one of the keys configured here",
        ),
        (TokenError::Expired { expire: 7 }, "the token expired at 7 (unix seconds); issue a new one"),
    ] {
        assert_eq!(error.to_string(), message);
    }
}

proptest! {
    #[test]
    fn what_is_issued_is_read_and_verified(
        key in prop::collection::vec(any::<u8>(), 1..200),
        cid in 1..=u32::MAX,
        control: u32,
        expire: u32,
    ) {
        let token = Token::issue(&key, Cid::new(cid).unwrap(), control, expire);
        let text = token.to_string();
        prop_assert_eq!(Token::parse(&text), Ok(token));
        prop_assert_eq!(token.verify([key.as_slice()], u64::from(expire)), Ok(()));
    }

    #[test]
    fn a_token_that_is_read_is_written_as_it_came(text in "[0-9]{1,11}_[0-9]{1,11}_[0-9]{1,2}_[0-9a-f]{32}") {
        if let Ok(token) = Token::parse(&text) {
            prop_assert_eq!(token.to_string(), text);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        let _ = Token::parse(&text);
    }
}
