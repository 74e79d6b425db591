//! The names that extensions add to the config: kinds, queues, sections.

use super::load;
use crate::config::RunSection;

#[test]
fn the_names_of_all_kinds_that_come_with_the_binary_are_taken() {
    let all = load("", &[]).unwrap();
    let known: Vec<&str> = all.extensions.iter().flat_map(|one| one.kind_names()).copied().collect();
    for name in
        ["agent.execute", "crawl.session", "hub.start", "hub.logs", "sessions.cleanup", "ticket.create"]
    {
        assert!(known.contains(&name), "{name}");
    }
    for name in known {
        let error = load(&format!("[kinds.\"{name}\"]\nurl = 'https://a.test/'"), &[]).unwrap_err();
        assert!(error.contains(&format!("choose another name, such as my.{name}")), "{error}");
    }
}

#[test]
fn the_hub_has_its_projects_and_two_slots() {
    let toml = "[hub]\nengine = 'tcp://docker:2375'\n[hub.projects.shop]\ncompose = 'shop/compose.yaml'\nenv = { TAG = 'x' }\n\
                [hub.projects.1]\nservices = { web = { image = 'a', ports = [80] } }";
    let mut config = load(toml, &[("TIDEMILL_HUB__HEARTBEAT", "5s")]).unwrap();
    assert_eq!(config.slots_of("hub"), 2);
    let queues: Vec<_> = config.declared.queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!((queues, config.slots_of("hub-quick")), (vec!["hub", "hub-quick"], 8));
    let mut builder = config.clone();
    builder.serve_only(&[("hub".into(), 2)]);
    assert_eq!((builder.slots_of("hub"), builder.slots_of("hub-quick")), (2, 8), "it stops what it starts");
    builder.serve_only(&[("hub-quick".into(), 1)]);
    assert_eq!((builder.slots_of("hub"), builder.slots_of("hub-quick")), (0, 1));
    config.serve_only(&[("crawl".into(), 1)]);
    let slots = (config.slots_of("hub"), config.slots_of("hub-quick"));
    assert_eq!(slots, (0, 0), "other queues are for other workers");
    let own = load(&format!("{toml}\n[queues.hub]\nslots = 7"), &[]).unwrap();
    assert_eq!(own.slots_of("hub"), 7);
    let default = load("", &[]).unwrap();
    assert!(default.declared.queues.is_empty(), "without projects there is no hub");
}

#[test]
fn a_kind_of_remote_workers_has_rules_and_no_program() {
    let config = load("[kinds.resize]\nremote = true\nmax_attempts = 2\nqueue = 'images'", &[]).unwrap();
    let kind = &config.kinds["resize"];
    assert_eq!((&kind.run, kind.settings.max_attempts), (&RunSection::Remote, 2));
    assert_eq!(kind.settings.queue, "images");
}

#[test]
fn a_hub_that_makes_no_sense_is_refused() {
    for (toml, expected) in [
        ("[hub.projects.a]\n", "hub.projects.a: needs exactly one of compose and services"),
        (
            "[hub.projects.a]\ncompose = 'c'\nservices = { w = {} }",
            "needs exactly one of compose and services",
        ),
        ("[hub.projects.a]\ncompose = 'c'\nbuild = true", "hub.projects.a.build: no such setting"),
        ("[hub.projects.\"a b\"]\ncompose = 'c'", "hub.projects.a b: is not a name"),
        (
            "[hub.projects.\"a.b\"]\nservices = { w = {} }\n[hub.projects.AB]\nservices = { w = {} }",
            "hub.projects.a.b: is \"ab\" to the engine, as is AB; rename one of them",
        ),
        ("[hub]\nengine = '/var/run/docker.sock'", "hub.engine: found"),
        ("[hub]\nsoft_timeout = '2h'", "hub.soft_timeout: 2h is not shorter than hard_timeout (2h)"),
        ("[hub]\nheartbeat = '4m'", "hub.heartbeat: 4m is more than half of stuck_after (5m)"),
    ] {
        let error = load(toml, &[]).unwrap_err();
        assert!(error.contains(expected), "{toml}: {error}");
    }
}
