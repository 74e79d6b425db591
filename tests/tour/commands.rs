//! Command lines in the documents: each is one that the binary takes, and its help describes what it uses. Links lead
//! somewhere.

use std::process::Command;

use clap::CommandFactory;
use tidemill_bin::cli::Cli;

use crate::document::{all, blocks, read, root, spans};

/// The words behind `tidemill` of every command line in the documents, with the document.
fn command_lines() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for path in all() {
        let markdown = read(&path);
        let mut lines = spans(&markdown);
        lines.extend(
            blocks(&markdown)
                .iter()
                .filter(|block| block.language != "toml")
                .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>()),
        );
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        found.extend(lines.iter().filter_map(|line| words(line)).map(|words| (name.clone(), words)));
    }
    found
}

/// What stands behind the program's name, if the line runs it.
fn words(line: &str) -> Option<Vec<String>> {
    let line = line.split("  #").next()?.trim_end_matches('&').trim();
    // What stands between quotes is one word.
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(nth, part)| match nth % 2 {
        0 => part.split_whitespace().map(|word| word.trim_end_matches(')').to_owned()).collect(),
        _ => vec![part.to_owned()],
    });
    let mut words = words.collect::<Vec<_>>().into_iter();
    let is_program = |word: &str| {
        let word = word.rsplit("$(").next().unwrap_or(word);
        word == "tidemill" || word.ends_with("/tidemill")
    };
    if line.starts_with("docker compose run --rm serve ") {
        return Some(words.skip(5).collect());
    }
    // In front of the name may only stand variables.
    words.by_ref().find(|word| is_program(word) || !word.contains('=')).filter(|word| is_program(word))?;
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then_some(words)
}

fn help(words: &[&str]) -> String {
    let output = Command::new(crate::binary::tidemill()).args(words).arg("--help").output().unwrap();
    assert!(output.status.success(), "{words:?} --help: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_line_in_the_documents_is_accepted_and_explained() {
    let found = command_lines();
    for (document, words) in &found {
        let line = format!("{document}: tidemill {}", words.join(" "));
        if words.iter().any(|word| word == "--help") {
            help(&words.iter().map(String::as_str).filter(|word| *word != "--help").collect::<Vec<_>>());
            continue;
        }
        let typed = std::iter::once("tidemill".to_owned()).chain(words.iter().cloned());
        if let Err(error) = Cli::command().try_get_matches_from(typed) {
            panic!("{line}\n{error}");
        }
        let mut command = &Cli::command();
        let mut path = Vec::new();
        for word in words {
            let Some(next) = command.find_subcommand(word) else { break };
            command = next;
            path.push(word.as_str());
        }
        let help_text = help(&path);
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help_text.contains(flag.as_str()), "{line}: its help does not describe {flag}");
        }
    }
    for command in ["dev", "serve", "worker", "migrate", "enqueue", "jobs", "keys"] {
        assert!(found.iter().any(|(_, words)| words[0] == command), "no document shows tidemill {command}");
    }
}

/// The arguments of the program that the unit and the compose file start.
fn started() -> Vec<Vec<String>> {
    let unit = read(root().join("deploy/tidemill-worker.service"));
    let compose = read(root().join("docker-compose.yml"));
    let unit =
        unit.lines().filter_map(|line| line.strip_prefix("ExecStart=")).map(|line| words(line).unwrap());
    let commands = compose.lines().filter_map(|line| line.trim().strip_prefix("command: "));
    unit.chain(commands.map(|list| serde_json::from_str(list).unwrap())).collect()
}

#[test]
fn what_the_unit_and_the_compose_file_start_is_taken() {
    let found = started();
    for words in &found {
        let typed = std::iter::once("tidemill".to_owned()).chain(words.iter().cloned());
        if let Err(error) = Cli::command().try_get_matches_from(typed) {
            panic!("{words:?}\n{error}");
        }
    }
    let count = |command: &str| found.iter().filter(|words| words[0] == command).count();
    assert!(count("worker") >= 2 && count("serve") == 1 && count("migrate") == 1, "{found:?}");
    let unit = read(root().join("deploy/tidemill-worker.service"));
    for setting in ["Restart=always", "User=", "WorkingDirectory=", "MemoryMax="] {
        assert!(unit.lines().any(|line| line.starts_with(setting)), "the unit says nothing of {setting}");
    }
}

#[test]
fn every_command_has_help_that_says_what_it_does() {
    fn visit(command: &clap::Command, path: &mut Vec<String>) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty(), "{path:?} says nothing of itself");
        let help_text = help(&path.iter().map(String::as_str).collect::<Vec<_>>())
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(help_text.contains(&about), "{path:?}: {about:?} is not in its help:\n{help_text}");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{path:?}: {} has no help", argument.get_id());
        }
        for next in command.get_subcommands() {
            path.push(next.get_name().to_owned());
            visit(next, path);
            path.pop();
        }
    }
    visit(&Cli::command(), &mut Vec::new());
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    for path in all() {
        let markdown = read(&path);
        let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let file = path.parent().unwrap().join(target.split('#').next().unwrap_or(target));
            assert!(file.exists(), "{} links to {target}, which is not there", path.display());
        }
    }
}
