//! An outbox beside a plain list of deliveries: whatever is called, and whenever, both say the same.

use proptest::{prelude::*, sample::select};
use pushgate_core::fuzz;

/// A call, as `fuzz::outbox` reads it.
fn call() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..5_u8, "[a-z]{0,17}").prop_map(|(schedule, text)| format!("p{schedule}{text}")),
        10 => Just("=".into()),
        3 => Just("x".into()),
        6 => (select(&["d", "t", "g", "s", "e", "r"][..]), 0..8_u8).prop_map(|(code, which)| format!("{code}{which}")),
        5 => select(&[1, 500, 999, 1000, 1001, 4999, 5000, 60_000_u64][..]).prop_map(|ms| format!("+{ms}")),
        1 => select(&["-1", "-2000", "-70000", "0", "N", "+4294967296", "f", "f"][..]).prop_map(Into::into),
        1 => Just("w".into()),
        1 => Just("R".into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn it_says_what_a_list_of_deliveries_says(calls in prop::collection::vec(call(), 1..120)) {
        fuzz::outbox(calls.join("\n").as_bytes());
    }

    #[test]
    fn whatever_flash_holds_is_refused_or_comes_to_an_end(
        number in prop_oneof![Just(0), 1..9_u64, any::<u64>()],
        len in prop_oneof![0..20_u16, any::<u16>()],
        phase in prop_oneof![1..7_u8, any::<u8>()],
        attempts in prop_oneof![0..6_u8, any::<u8>()],
        at in any::<u64>(),
        grid in any::<u64>(),
        before in select(&["", "p0a\n", "p0a\n=\nr0\n", "R\n", "p1a\np1b\np1c\n=\n"][..]),
    ) {
        let mut script = before.as_bytes().to_vec();
        script.push(b'b');
        script.extend_from_slice(&number.to_le_bytes());
        script.extend_from_slice(&len.to_le_bytes());
        script.extend_from_slice(&[phase, attempts]);
        script.extend_from_slice(&at.to_le_bytes());
        script.extend_from_slice(&grid.to_le_bytes());
        fuzz::outbox(&script);
    }
}
