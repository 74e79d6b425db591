//! The output of the engine and of `docker compose`: as lines of the job's log, and parsed for the
//! current build step and for newly created layers.

use tidemill::Context;
use tidemill::extension::kinds::{Ends, Lines};

/// The longest line; longer ones are cut.
const LINE_BYTES: usize = 64 * 1024;

/// Writes output that arrives in pieces as lines of one stream of the log.
pub(super) struct Logged<'a> {
    context: &'a Context,
    /// The prefix of the lines.
    service: &'a str,
    lines: Lines,
}

impl<'a> Logged<'a> {
    pub(super) fn new(context: &'a Context, service: &'a str) -> Self {
        Self { context, service, lines: Lines::new(Ends::Terminal, LINE_BYTES) }
    }

    /// Takes the next piece; returns the completed lines.
    pub(super) async fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let lines: Vec<String> = self.lines.push(bytes).into_iter().map(|line| line.text).collect();
        for line in &lines {
            self.log(line).await;
        }
        lines
    }

    /// Writes the last unfinished line.
    pub(super) async fn finish(mut self) {
        if let Some(line) = self.lines.finish() {
            self.log(&line.text).await;
        }
    }

    async fn log(&self, line: &str) {
        if !line.is_empty() {
            self.context.log_to("build", &format!("{} | {line}", self.service)).await;
        }
    }
}

/// Follows the lines of a build.
#[derive(Debug, Default)]
pub(super) struct BuildSteps {
    /// Such as `Step 2/5 : RUN make`.
    pub(super) step: String,
    /// The started share of the build, from 0 to 1.
    pub(super) share: f64,
    /// Layers that this build made, the oldest first.
    pub(super) layers: Vec<String>,
    /// The container in which the present step runs.
    pub(super) container: Option<String>,
    /// The next layer existed before.
    known: bool,
}

impl BuildSteps {
    /// Takes a line; true if it begins a step.
    pub(super) fn see(&mut self, line: &str) -> bool {
        if let Some((at, of)) = step_of(line) {
            line.clone_into(&mut self.step);
            self.container = None;
            self.share = f64::from(at - 1) / f64::from(of.max(1));
            let instruction = line.split_once(" : ").map_or("", |(_, instruction)| instruction);
            self.known = instruction.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("from"));
            return true;
        }
        if let Some((at, of, step)) = buildkit_step(line) {
            step.clone_into(&mut self.step);
            self.share = f64::from(at - 1) / f64::from(of.max(1));
            return true;
        }
        if let Some(id) = line.strip_prefix(" ---> ") {
            if id == "Using cache" {
                self.known = true;
            } else if let Some(container) = id.strip_prefix("Running in ") {
                self.container = Some(container.to_owned());
            } else if !self.known && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                self.layers.push(id.to_owned());
            }
        }
        false
    }
}

/// The numbers of `Step 2/5 : …`.
fn step_of(line: &str) -> Option<(u32, u32)> {
    let (numbers, _) = line.strip_prefix("Step ")?.split_once(' ')?;
    let (at, of) = numbers.split_once('/')?;
    Some((at.parse().ok().filter(|at| *at > 0)?, of.parse().ok()?))
}

/// The numbers and the rest of `#7 [web stage-1 2/5] RUN make`, as `BuildKit` counts the steps of a stage.
fn buildkit_step(line: &str) -> Option<(u32, u32, &str)> {
    let (_, step) = line.strip_prefix('#')?.split_once(' ')?;
    let (inside, instruction) = step.strip_prefix('[')?.split_once("] ")?;
    let (at, of) = inside.rsplit(' ').next()?.split_once('/')?;
    (!instruction.is_empty())
        .then(|| Some((at.parse().ok().filter(|at| *at > 0)?, of.parse().ok()?, step)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_new_layers_are_seen() {
        let mut steps = BuildSteps::default();
        let output = "Step 1/4 : FROM base\n ---> aaa1\nStep 2/4 : COPY . .\n ---> Using cache\n ---> bbb2\nStep 3/4 : RUN make\n ---> Running in ccc3\nRemoving intermediate container ccc3\n ---> ddd4\nStep 4/4 : RUN sleep";
        let begun = output.lines().filter(|line| steps.see(line)).count();
        assert_eq!((begun, steps.layers.as_slice()), (4, &["ddd4".to_owned()][..]));
        assert!(steps.container.is_none() && !steps.see(" ---> Running in eee5"));
        assert_eq!(steps.container.as_deref(), Some("eee5"));
        assert!((steps.share - 0.75).abs() < 1e-9 && steps.step == "Step 4/4 : RUN sleep");
        assert!(steps.see("#7 [web stage-1 2/4] RUN make") && (steps.share - 0.25).abs() < 1e-9);
        assert_eq!(steps.step, "[web stage-1 2/4] RUN make");
        for other in ["#3 [internal] load .dockerignore", "#7 0.3 [2/4] no", "#7 DONE 0.2s", "# [1/2]"] {
            assert!(!steps.see(other), "{other}");
        }
    }
}
