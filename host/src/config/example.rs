//! The example that `pushgate config example` prints.

/// A commented `pushgate.toml` that shows every key with its default, its range and its reason.
///
/// Every setting is commented out, so as it stands it configures what an empty file does.
pub const EXAMPLE: &str = include_str!("example.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        Config, Sending, TencentDestination, UplinkDestination,
        reader::{Section, Source},
    };
    use std::path::Path;
    use toml::de::DeTable;

    /// The example with every setting switched on: `#key = …` is a setting, `# words` are words.
    fn switched_on() -> String {
        let setting = |line: &str| match line.strip_prefix('#') {
            Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_owned(),
            _ => line.to_owned(),
        };
        EXAMPLE.lines().map(|line| setting(line) + "\n").collect()
    }

    #[test]
    fn as_it_stands_it_changes_nothing() {
        assert_eq!(Config::parse(EXAMPLE, "example.toml"), Ok(Config::default()));
    }

    #[test]
    fn every_key_is_in_it_and_every_key_in_it_is_known() {
        let text = switched_on();
        let source = Source::new(&text, Path::new("tests/tls"));
        let document = DeTable::parse(&text).unwrap();
        let config = Section::document(&source, &document, Config::read);
        assert_eq!(*source.absent.borrow(), [""; 0], "keys that the example does not show");
        assert_eq!(source.into_found().problems, []);
        assert!(!config.lingyang.apps().is_empty());
    }

    #[test]
    fn the_values_it_shows_are_the_defaults() {
        let mut shown = Config::parse(&switched_on(), "tests/tls/example.toml").unwrap();
        let default = Config::default();
        assert_eq!(shown.limits, default.limits);
        assert_eq!(shown.network, default.network);
        assert_eq!(shown.store, default.store);
        assert_eq!(shown.retention, default.retention);
        // Off by default, so what it shows can only be a sample.
        assert!(shown.telemetry.otlp.take().is_some() && shown.telemetry.resource.drain(..).next().is_some());
        assert_eq!(shown.telemetry, default.telemetry);
        assert!(shown.listen.tls.take().is_some() && shown.listen.admin_tls.take().is_some());
        assert!(shown.listen.admin.token().is_some());
        assert_eq!(
            (shown.listen.public, shown.listen.admin.address(), shown.listen.link),
            (default.listen.public, default.listen.admin.address(), default.listen.link)
        );

        let uplink = shown.uplink.destinations.iter().next().unwrap();
        // No limit by default, so what it shows can only be a sample.
        let sample = Sending { rate_per_second: Some(1000), ..UplinkDestination::SENDING };
        assert_eq!(uplink.sending, sample);
        let tencent = shown.tencent.destinations.iter().next().unwrap();
        assert_eq!(tencent.sending, TencentDestination::SENDING);
        let receiver = shown.tencent.receivers.iter().next().unwrap();
        assert_eq!(receiver.failure_status, Default::default());
    }

    /// A default that the table leaves out is the constant too.
    #[test]
    fn a_destination_has_the_defaults_of_its_protocol() {
        let text = "
            [[uplink.destinations]]
            name = 'a'
            url = 'http://a.example/'
            [[tencent.destinations]]
            name = 'b'
            url = 'http://b.example/'
            sdk_app_id = '1400000000'
        ";
        let config = Config::parse(text, "t").unwrap();
        // "A retry will be attempted every 1 second … after 3 accumulated retries … the pushing will stop"
        // "Answer timeout 5 s, batch at most 100 items a request, batch linger 50 ms (ours; settings)"
        let page = Sending {
            retries: 3,
            retry_every_ms: 1000,
            timeout_ms: 5000,
            concurrency: 8,
            batch_items: 100,
            linger_ms: 50,
            ordered: false,
            rate_per_second: None,
            circuit_after: 10,
            circuit_probe_ms: 10_000,
        };
        assert_eq!(config.uplink.destinations.named("a").unwrap().sending, page);
        // "Answer timeout 2 s (vendor)"; "default 3 retries, 1 s apart"; "default 1000/s, the excess waits"
        let page = Sending { timeout_ms: 2000, concurrency: 64, rate_per_second: Some(1000), ..page };
        assert_eq!(config.tencent.destinations.named("b").unwrap().sending, page);
    }
}
