//! What the command line promises: its flags, and which of them go together.

use super::*;

/// Whether `line`, split at spaces, is a right command line.
fn parses(line: &str) -> bool {
    Cli::try_parse_from(line.split(' ')).is_ok()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn right_command_lines() {
    for line in [
        "pushgate demo",
        "pushgate demo --json --color never --log debug",
        "pushgate --json demo",
        "pushgate serve",
        "pushgate serve --config f --public 0.0.0.0:80 --admin 127.0.0.1:0 --link [::]:82 --store sqlite:x.db",
        "pushgate push uplink --url http://h/",
        "pushgate push uplink --url http://h/ f",
        "pushgate push uplink --url http://h/ -",
        "pushgate push events --url http://h/ --sdk-app-id 14 --token t f",
        "pushgate push client --url http://h --token t --to a --msg x",
        "pushgate push client --url http://h --token t --to a b --to c --msg x --flag 2 --callback",
        "pushgate push client --url http://h --token t --msg x --callback",
        "pushgate push server --url http://h --app-id Test --app-key-file k --to 1 2 --to 3 --msg-file f --flag 3",
        "pushgate push server --url http://h --app-id Test --app-key-file k --from 1 --to 2 --msg x",
        "pushgate device --link 127.0.0.1:1 --token t",
        "pushgate device --link ws://127.0.0.1:1 --token t",
        "pushgate device --link tls://h:1 --token-file f --ca f --count 1 --for 5m --no-ack",
        "pushgate push client --url http://h --token-file f --to a --msg-file -",
        "pushgate receive uplink --listen 127.0.0.1:0 --fail 3",
        "pushgate receive events --listen 127.0.0.1:0 --sdk-app-id 14 --token t",
        "pushgate receive webhook --listen 127.0.0.1:0 --app-id Test --app-key-file k",
        "pushgate check json",
        "pushgate check uplink-reply a b c",
        "pushgate token issue --key-file k --cid 1 --expire 2 --control 3",
        "pushgate token verify --key-file k 1_2_3_4",
        "pushgate deliveries list",
        "pushgate deliveries list --state dead --lane device:5003062 --limit 0 --admin https://h/gate --admin-token t",
        "pushgate deliveries show 018fabcd0000700080000000000000ff",
        "pushgate deliveries replay 018fabcd0000700080000000000000ff 018fabcd0000700080000000000000fe",
        "pushgate deliveries drop 018fabcd0000700080000000000000ff",
        "pushgate inbox tail",
        "pushgate inbox tail --after 0 --kind report --receiver ucloud --limit 3",
        "pushgate inbox tail --limit 1000 --follow",
        "pushgate devices list",
        "pushgate status --admin http://h:1",
        "pushgate config check f",
        "pushgate config example",
        "pushgate bench accept",
        "pushgate bench accept --seconds 2.5 --rounds 3 --in-flight 8 --bytes 500 --store-dir d",
        "pushgate bench accept --url http://h:1 --destination acme --admin-token t",
        "pushgate bench deliver --only throughput,memory --only lateness --pending 5 --lanes 1",
        "pushgate completions zsh",
        "pushgate man d",
    ] {
        assert!(parses(line), "{line}: {}", Cli::try_parse_from(line.split(' ')).unwrap_err());
    }
}

#[test]
fn wrong_command_lines() {
    for line in [
        "pushgate",
        "pushgate push",
        "pushgate nonsense",
        "pushgate demo --color sometimes",
        "pushgate demo --log pushgate=loud",
        "pushgate serve --public localhost:80",
        "pushgate push uplink",
        "pushgate push uplink --url h",
        "pushgate push events --url http://h/",
        "pushgate push client --url http://h --token t --msg x",
        "pushgate push client --url http://h --token t --to a",
        "pushgate push client --url http://h --token t --to a --msg x --msg-file f",
        "pushgate push client --url http://h --token t --to a --msg x --flag 1",
        "pushgate push server --url http://h --app-id Test --app-key-file k --msg x",
        "pushgate push server --url http://h --app-id Test --app-key-file k --to 0 --msg x",
        "pushgate push server --url http://h --app-id Test --app-key-file k --to 4294967296 --msg x",
        "pushgate device --link 127.0.0.1 --token t",
        "pushgate device --link 127.0.0.1:1",
        "pushgate device --link http://127.0.0.1:1 --token t",
        "pushgate device --link 127.0.0.1:1 --token t --count -1",
        "pushgate receive uplink",
        "pushgate receive uplink --listen 127.0.0.1:0 --sdk-app-id 14",
        "pushgate receive webhook --listen 127.0.0.1:0 --app-id Test",
        "pushgate check",
        "pushgate check yaml",
        "pushgate token issue --key-file k --cid 0 --expire 2",
        "pushgate token verify --key-file k",
        "pushgate deliveries",
        "pushgate deliveries list --state Dead",
        "pushgate deliveries list --lane acme",
        "pushgate deliveries list --limit -1",
        "pushgate deliveries list --admin 127.0.0.1:8081",
        "pushgate deliveries show 018FABCD0000700080000000000000FF",
        "pushgate deliveries show 018fabcd0000700080000000000000ff 018fabcd0000700080000000000000fe",
        "pushgate deliveries replay",
        "pushgate deliveries drop x",
        "pushgate inbox tail --kind sms",
        "pushgate inbox tail --after x",
        "pushgate devices",
        "pushgate config",
        "pushgate config check",
        "pushgate bench",
        "pushgate bench accept --url http://h:1",
        "pushgate bench accept --destination acme",
        "pushgate bench accept --url http://h:1 --destination acme --store-dir d",
        "pushgate bench deliver --only speed",
        "pushgate completions",
        "pushgate completions csh",
        "pushgate man",
    ] {
        assert!(!parses(line), "{line}");
    }
}

/// Every command that is shown says what it does and shows how, and no help leaks a value from the environment.
#[test]
fn every_help_has_an_example() {
    fn visit(command: &clap::Command, path: &str) {
        assert!(command.get_about().is_some(), "{path}: says nothing");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{path} {}: says nothing", argument.get_id());
        }
        let commands: Vec<_> = command
            .get_subcommands()
            .filter(|command| command.get_name() != "help" && !command.is_hide_set())
            .collect();
        if commands.is_empty() {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains(path), "{path}: no example");
            assert!(example.lines().all(|line| line.len() <= 100), "{path}: an example would be wrapped");
        }
        for command in commands {
            visit(command, &format!("{path} {}", command.get_name()));
        }
    }
    let mut command = Cli::command();
    command.build();
    visit(&command, "pushgate");
}
