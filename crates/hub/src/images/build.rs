//! The images of a project: builds them from their context, or pulls missing ones. The engine's
//! output is the job's log, and its steps are the job's progress.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::pin::pin;

use bollard::errors::Error;
use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder};
use futures_util::StreamExt;

use super::build_context::packed;
use super::dockerfile;
use crate::cancel::Rollback;
use crate::compose::{Build, Project, Service};
use crate::engine::PROJECT;
use crate::engine_error::{failed, is_missing, is_permanent, sentence};
use crate::output::{BuildSteps, Logged};
use crate::program::NEEDS_PROGRAM;
use crate::work::Work;
use tidemill::JobError;

/// The progress at the start and the end of building.
const FROM_PERCENT: f64 = 30.0;
const TO_PERCENT: f64 = 80.0;

/// The name of a service's image.
pub(crate) fn image_of(project: &Project, service: &Service) -> String {
    service.image.clone().unwrap_or_else(|| format!("{}-{}", project.name, service.name))
}

/// Ensures that every service has its image.
pub(crate) async fn images(work: &Work<'_>, project: &Project, rollback: &Rollback) -> Result<(), JobError> {
    work.progress.building(FROM_PERCENT, "Building containers (this may take 20-30 min)...").await;
    let all = u32::try_from(project.services.len()).unwrap_or(u32::MAX);
    for (at, service) in (0_u32..).zip(&project.services) {
        let share = Share { at, all };
        match &service.build {
            Some(build) => built(work, project, service, build, &share, rollback).await?,
            None => pulled(work, service, &image_of(project, service), &share).await?,
        }
    }
    Ok(())
}

/// Its position among several images.
pub(crate) struct Share {
    pub(crate) at: u32,
    pub(crate) all: u32,
}

impl Share {
    pub(crate) fn percent(&self, done: f64) -> f64 {
        FROM_PERCENT + (TO_PERCENT - FROM_PERCENT) * (f64::from(self.at) + done) / f64::from(self.all)
    }
}

async fn built(
    work: &Work<'_>,
    project: &Project,
    service: &Service,
    build: &Build,
    share: &Share,
    rollback: &Rollback,
) -> Result<(), JobError> {
    let doing = format!("building {}", service.name);
    let args = args(work, build, &doing).await?;
    let args: HashMap<&str, &str> =
        args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let labels = HashMap::from([(PROJECT, project.name.as_str())]);
    let mut options = BuildImageOptionsBuilder::new()
        .dockerfile(&build.dockerfile)
        .t(&image_of(project, service))
        .rm(true)
        .forcerm(true)
        .buildargs(&args)
        .labels(&labels);
    if let Some(target) = &build.target {
        options = options.target(target);
    }
    if let Some(network) = &build.network {
        options = options.networkmode(network);
    }
    let (context, unpacked) = packed(build);
    let context = bollard::body_try_stream(context);
    let mut output = pin!(work.engine.build_image(options.build(), None, Some(context)));
    let mut logged = Logged::new(work.context, &service.name);
    let mut steps = BuildSteps::default();
    while let Some(info) = output.next().await {
        let info = info.map_err(|error| match unpacked.get() {
            Some(cause) => not_packed(&doing, cause),
            None => not_built(&doing, &error),
        })?;
        for line in logged.take(info.stream.unwrap_or_default().as_bytes()).await {
            if steps.see(&line) {
                let step = format!("Building {}: {}", service.name, steps.step);
                work.progress.building(share.percent(steps.share), &step).await;
            }
        }
        rollback.build(&steps);
    }
    logged.finish().await;
    rollback.build(&BuildSteps::default());
    Ok(())
}

/// The build arguments: those of the description, and the platform arguments that `BuildKit` would set.
async fn args(work: &Work<'_>, build: &Build, doing: &str) -> Result<BTreeMap<String, String>, JobError> {
    let mut args = build.args.clone();
    let asked = dockerfile::platform_args(build);
    if !asked.is_empty() {
        let version = work.engine.version().await.map_err(|error| failed(doing, &error))?;
        let (os, arch) = (version.os.unwrap_or_default(), version.arch.unwrap_or_default());
        for name in asked {
            let value = dockerfile::platform(&name, &os, &arch);
            args.entry(name).or_insert(value);
        }
    }
    Ok(args)
}

/// An unreadable context stays unreadable, except for a file that disappeared meanwhile.
fn not_packed(doing: &str, cause: &io::Error) -> JobError {
    let detail = format!(
        "{doing}: its context cannot be read: {}",
        sentence(&cause.to_string(), "Correct that, or exclude it with .dockerignore.")
    );
    if cause.kind() == io::ErrorKind::NotFound {
        return JobError::retry(detail).class("build_failed");
    }
    JobError::permanent(detail).class("bad_build")
}

/// A failed step may succeed later with other network or memory conditions; an invalid Dockerfile never
/// will.
fn not_built(doing: &str, error: &Error) -> JobError {
    let detail = match error {
        Error::DockerStreamError { error } => error,
        Error::DockerResponseServerError { message, .. } if is_permanent(message) => message,
        _ => return failed(doing, error),
    };
    let message = |remedy: &str| format!("{doing}: {}", sentence(detail, remedy));
    if detail.to_lowercase().contains("requires buildkit") {
        let remedy = format!("Remove it, or {NEEDS_PROGRAM}.");
        return JobError::permanent(message(&remedy)).class("bad_build");
    }
    if is_permanent(detail) {
        return JobError::permanent(message("Correct the Dockerfile or its context.")).class("bad_build");
    }
    JobError::retry(message(
        "Read the build's output in the task's log and correct that step; if the network failed, start it \
         again.",
    ))
    .class("build_failed")
}

async fn pulled(work: &Work<'_>, service: &Service, image: &str, share: &Share) -> Result<(), JobError> {
    let doing = format!("pulling {image} for {}", service.name);
    match work.engine.inspect_image(image).await {
        Ok(_) => return Ok(()),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(failed(&doing, &error)),
    }
    work.progress.building(share.percent(0.0), &format!("Pulling {image}")).await;
    // Without a tag the engine would pull all of them.
    let has_tag = image.contains('@') || image.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let full = if has_tag { image.to_owned() } else { format!("{image}:latest") };
    let options = CreateImageOptionsBuilder::new().from_image(&full).build();
    let mut output = pin!(work.engine.create_image(Some(options), None, None));
    while let Some(info) = output.next().await {
        let info = info.map_err(|error| failed(&doing, &error))?;
        // Progress updates change only counters, so they are not logged.
        if let (Some(status), None) = (info.status, info.progress_detail) {
            let layer = info.id.map(|id| format!("{id}: ")).unwrap_or_default();
            work.context.log_to("build", &format!("{} | {layer}{status}", service.name)).await;
        }
    }
    Ok(())
}
