//! A start with the program `docker compose`: the program builds and starts; the hub reports
//! progress, removes what a cancelled start created, and waits until all services are healthy.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::compose_program::{Program, Ran};
use crate::cancel::Rollback;
use crate::compose;
use crate::containers::{lookup, wait};
use crate::engine::{SERVICE, called, id_of, label};
use crate::engine_error::{is_permanent, remedy, sentence};
use crate::images::Share;
use crate::output::BuildSteps;
use crate::work::Work;
use tidemill::JobError;

/// The variables that make the older program build with `BuildKit`, through the engine's client.
const BUILDKIT: [(&str, &str); 2] = [("DOCKER_BUILDKIT", "1"), ("COMPOSE_DOCKER_CLI_BUILD", "1")];

pub(crate) async fn start(
    work: &Work<'_>,
    words: &'static [&'static str],
    rollback: &Rollback,
) -> Result<Value, JobError> {
    let name = compose::name_of(&work.args.project, work.spec)?;
    let program = Program::of(work, words, &name)?;
    let services = program.services().await?;
    if services.is_empty() {
        let message = format!(
            "{name} has no services to start; name at least one, without profiles or with COMPOSE_PROFILES in env"
        );
        return Err(JobError::permanent(message).class("bad_compose"));
    }
    lookup::none_of_another(work, &name).await?;
    rollback.watch(&name).await?;
    work.progress.building(30.0, "Building containers (this may take 20-30 min)...").await;
    let all = u32::try_from(services.len()).unwrap_or(u32::MAX);
    for (at, service) in (0_u32..).zip(&services) {
        built(&program, work, service, &Share { at, all }, rollback).await?;
    }
    work.progress.running(80.0, "Starting services...").await;
    up(&program, work).await?;
    work.progress.running(90.0, "Waiting until all services are healthy").await;
    let wanted: BTreeSet<&str> = services.iter().map(String::as_str).collect();
    let mut ids: Vec<(String, String)> = Vec::new();
    for container in work.engine.containers(&name, None).await? {
        if label(&container, SERVICE).is_some_and(|service| wanted.contains(service)) {
            ids.push((called(&container), id_of(&container).to_owned()));
        }
    }
    let services = wait::until_all(work, &ids).await?;
    Ok(json!({ "status": "running", "project": name, "services": services }))
}

async fn built(
    program: &Program<'_>,
    work: &Work<'_>,
    service: &str,
    share: &Share,
    rollback: &Rollback,
) -> Result<(), JobError> {
    let mut environment = &BUILDKIT[..0];
    loop {
        let mut steps = BuildSteps::default();
        let mut run = program.run(&["build", service], environment).await?;
        while let Some(lines) = run.lines().await? {
            let mut steps_begun = false;
            for line in lines {
                steps_begun |= steps.see(&line);
            }
            if steps_begun {
                let step = format!("Building {service}: {}", steps.step);
                work.progress.building(share.percent(steps.share), &step).await;
            }
            rollback.build(&steps);
        }
        let ran = run.end().await;
        rollback.build(&BuildSteps::default());
        if ran.good {
            return Ok(());
        }
        if environment.is_empty() && ran.words.to_lowercase().contains("requires buildkit") {
            environment = &BUILDKIT;
            continue;
        }
        return Err(not_built(service, &ran));
    }
}

fn not_built(service: &str, ran: &Ran) -> JobError {
    let message =
        |remedy| format!("building {service}: docker compose says:\n{}", sentence(&ran.words, remedy));
    if is_permanent(ran.error()) {
        return JobError::permanent(message("Correct the Dockerfile or its context.")).class("bad_build");
    }
    JobError::retry(message(
        "Read the build's output in the task's log and correct that step; if the network failed, start it \
         again.",
    ))
    .class("build_failed")
}

async fn up(program: &Program<'_>, work: &Work<'_>) -> Result<(), JobError> {
    let mut run = program.run(&["up", "--detach", "--no-build"], &[]).await?;
    while let Some(lines) = run.lines().await? {
        if let Some(line) = lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty()) {
            work.progress.running(80.0, &format!("Starting services: {line}")).await;
        }
    }
    let ran = run.end().await;
    if ran.good {
        return Ok(());
    }
    let message = format!(
        "starting the services: docker compose says:\n{}",
        sentence(&ran.words, remedy(500, &ran.words))
    );
    let error =
        if is_permanent(ran.error()) { JobError::permanent(message) } else { JobError::retry(message) };
    Err(error.class("compose_failed"))
}
