//! The config: loaded once, when a process starts, from a file, `.env`, the environment and flags.
//! Must never let a process start with a setting that is unknown or not understood.

mod alerts;
mod checks;
mod kind;
mod kind_keys;
mod limits;
mod log;
mod manual;
mod places;
mod schedule;
mod settings;
mod vault;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use alerts::{AlertKeys, AlertingSection};
pub use kind::{CommandSection, KindSection, LimitsSection, RunSection, UrlSection};
pub use kind_keys::{BackoffSection, BreakerSection, KindKeys};
pub use limits::{LimitSection, QueueSection};
pub use log::{LogFilter, LogFormat};
pub use manual::manual;
pub use schedule::ScheduleSection;
pub use settings::{
    ApiSection, DatabaseSection, DeploymentSection, EmbeddedSection, LogSection, MaintenanceSection,
    OutboundSection, ScheduleKeys, WorkerSection,
};
pub use vault::{EncryptionSection, RedactionSection, StorageSection};

use std::sync::Arc;

use places::places;
use tidemill::extension::{Declared, Extension};
use tidemill::job::alert::AlertRule;
use tidemill_settings::configured::Extensions;
use tidemill_settings::dot_env;
use tidemill_settings::effective;
use tidemill_settings::effective::Effective;
use tidemill_settings::error::{ConfigError, WrongSetting};
use tidemill_settings::section::{Reader, Table};
use tidemill_settings::source;
use tidemill_settings::source::{Flag, Variable};
use tidemill_settings::types::{NAME_RULE, is_name};

/// All settings of a process.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each section says what it is")]
pub struct Config {
    pub database: DatabaseSection,
    pub deployment: DeploymentSection,
    pub embedded: EmbeddedSection,
    pub api: ApiSection,
    pub worker: WorkerSection,
    pub maintenance: MaintenanceSection,
    pub storage: StorageSection,
    pub encryption: EncryptionSection,
    pub redaction: RedactionSection,
    pub log: LogSection,
    pub outbound: OutboundSection,
    pub queues: BTreeMap<String, QueueSection>,
    pub limits: BTreeMap<String, LimitSection>,
    pub kinds: BTreeMap<String, KindSection>,
    pub schedules: BTreeMap<String, ScheduleSection>,
    pub alerting: AlertingSection,
    pub alerts: BTreeMap<String, AlertRule>,
    /// The extensions of this build, with their settings.
    pub extensions: Vec<Arc<dyn Extension>>,
    /// What they declare.
    pub declared: Declared,
    /// Variables of systems whose place Tidemill takes, such as `CELERY_…`, and entries of `ALLOWED_ORIGINS` that are no
    /// origins, with where they stand: they mean nothing here.
    pub ignored: Vec<String>,
    /// Every setting with its source, without secrets, as [`Config::effective`] has them.
    pub effective: Vec<Effective>,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The base of relative paths: the file's folder, or the working folder.
    pub folder: PathBuf,
}

/// The sources of settings.
#[derive(Clone)]
pub struct Sources {
    /// The working folder, absolute; `.env` and an unnamed config file are looked for here.
    pub folder: PathBuf,
    /// The config file, if one was named.
    pub file: Option<PathBuf>,
    /// The environment; only variables that start with `TIDEMILL_` are read.
    pub environment: Vec<(String, String)>,
    /// The settings of the command line.
    pub flags: Vec<Flag>,
    /// The extensions whose sections the config may have.
    pub extensions: Extensions,
}

impl std::fmt::Debug for Sources {
    /// Without the environment, which contains secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Sources");
        shown.field("folder", &self.folder).field("file", &self.file).field("flags", &self.flags);
        shown.finish_non_exhaustive()
    }
}

impl Sources {
    /// The sources of this process.
    ///
    /// # Errors
    /// If the working folder does not exist.
    pub fn of_process(
        file: Option<PathBuf>,
        flags: Vec<Flag>,
        extensions: Extensions,
    ) -> std::io::Result<Self> {
        // Values that are not text cannot be Tidemill's.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self { folder: std::env::current_dir()?, file, environment, flags, extensions })
    }
}

impl Config {
    /// Loads the config: file < `.env` < environment < flags.
    ///
    /// # Errors
    /// The first file that cannot be read, else every setting that is wrong.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let Gathered { tree, file, label, ignored } = Gathered::from(sources, &mut problems)?;
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(&sources.folder).to_owned();
        let effective = effective::all(&places(&sources.extensions), &tree, &label);
        let mut reader = Reader::new(tree, &label, &mut problems);
        let mut config = Self::read(&mut reader, file, folder, &sources.extensions);
        config.ignored = ignored;
        config.effective = effective;
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Settings(problems)) }
    }

    /// Every effective setting with its source; of kinds, queues and other named sections only those that
    /// were set.
    ///
    /// # Errors
    /// As [`Self::load`]: the errors that would stop a start.
    pub fn effective(sources: &Sources) -> Result<Vec<Effective>, ConfigError> {
        Ok(Self::load(sources)?.effective)
    }

    /// Restricts this worker to these queues, with the given slots.
    pub fn serve_only(&mut self, queues: &[(String, u32)]) {
        self.worker.slots = Some(0);
        for queue in self.declared.queues.iter_mut().filter(|queue| queue.with.is_none()) {
            queue.slots = Some(0);
        }
        let mut all = std::mem::take(&mut self.queues);
        let named = |(name, slots): &(String, u32)| {
            let mut section = all.remove(name).unwrap_or_else(QueueSection::unset);
            section.slots = Some(*slots);
            (name.clone(), section)
        };
        self.queues = queues.iter().map(named).collect();
    }

    /// How many jobs of `queue` run at once in this process.
    #[must_use]
    pub fn slots_of(&self, queue: &str) -> u32 {
        let own = self.queues.get(queue).and_then(|queue| queue.slots);
        own.or_else(|| self.declared_slots(queue)).unwrap_or_else(|| self.default_slots())
    }

    /// How many jobs of a queue that an extension declares run at once in this process.
    fn declared_slots(&self, queue: &str) -> Option<u32> {
        let declared = self.declared.queues.iter().find(|declared| declared.name == queue)?;
        match &declared.with {
            Some(other) if self.slots_of(other) == 0 => Some(0),
            _ => declared.slots,
        }
    }

    /// How many jobs of a queue without a section run at once in this process.
    #[must_use]
    pub fn default_slots(&self) -> u32 {
        let cores = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
        self.worker.slots.unwrap_or_else(|| u32::try_from(cores).unwrap_or(4).max(4))
    }

    fn read(
        reader: &mut Reader<'_>,
        file: Option<PathBuf>,
        folder: PathBuf,
        extensions: &Extensions,
    ) -> Self {
        let mut config = Self {
            database: reader.section("database"),
            deployment: reader.section("deployment"),
            embedded: reader.section("embedded"),
            api: reader.section("api"),
            worker: reader.section("worker"),
            maintenance: reader.section("keeper"),
            storage: reader.section("storage"),
            encryption: reader.section("encryption"),
            redaction: reader.section("redaction"),
            log: reader.section("log"),
            outbound: reader.section("outbound"),
            queues: named(reader, "queues", |reader, name| Some(reader.section(name))),
            limits: named(reader, "limits", |reader, name| Some(reader.section(name))),
            kinds: named(reader, "kinds", |reader, name| kind::read(reader, name, &folder)),
            schedules: named(reader, "schedules", schedule::read),
            alerting: reader.section("alerting"),
            alerts: named(reader, "alerts", alerts::read),
            extensions: extensions.read(reader, &folder),
            declared: Declared::default(),
            ignored: Vec::new(),
            effective: Vec::new(),
            file,
            folder,
        };
        let programs_dir = config.embedded.programs_dir.take();
        config.embedded.programs_dir = programs_dir.map(|dir| config.folder.join(dir));
        let keys_file = config.encryption.keys_file.take();
        config.encryption.keys_file = keys_file.map(|file| config.folder.join(file));
        config.declared = config
            .extensions
            .iter()
            .map(|extension| extension.declares())
            .fold(Declared::default(), Declared::and);
        for extension in &config.extensions {
            kind::refuse_taken(extension.kind_names(), &config.kinds, reader);
        }
        checks::check(&config, reader);
        let whole = places(extensions).into_iter().map(|place| place.key).filter(|key| !key.contains('.'));
        let keys: Vec<_> = whole.collect();
        crate::left_out::refuse(reader);
        reader.refuse_rest(&keys);
        config
    }
}

/// The merged settings of all sources.
struct Gathered {
    tree: Table,
    file: Option<PathBuf>,
    /// The name of the file, because its values do not carry it.
    label: String,
    ignored: Vec<String>,
}

impl Gathered {
    fn from(sources: &Sources, problems: &mut Vec<WrongSetting>) -> Result<Self, ConfigError> {
        let file = match &sources.file {
            Some(file) => Some(sources.folder.join(file)),
            None => source::find(&sources.folder)?,
        };
        let mut tree = file.as_deref().map_or_else(|| Ok(Table::new()), source::read_file)?;
        let outer = |wanted: &str| {
            let found = sources.environment.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone())
        };
        let dot_env = dot_env::read(&sources.folder, &outer)?;
        let places = places(&sources.extensions);
        source::add_variables(&places, &mut tree, &dot_env, problems);
        let environment = sources.environment.iter();
        let environment: Vec<_> =
            environment.map(|(name, value)| Variable::of_environment(name, value)).collect();
        source::add_variables(&places, &mut tree, &environment, problems);
        source::add_flags(&mut tree, &sources.flags);
        let label = file.as_ref().map_or_else(
            || "settings".to_owned(),
            |file| file.strip_prefix(&sources.folder).unwrap_or(file).display().to_string(),
        );
        let ignored = [source::foreign(&dot_env), source::foreign(&environment)].concat();
        Ok(Self { tree, file, label, ignored })
    }
}

/// Reads every `[key.NAME]`.
fn named<T>(
    reader: &mut Reader<'_>,
    key: &str,
    mut read: impl FnMut(&mut Reader<'_>, &str) -> Option<T>,
) -> BTreeMap<String, T> {
    let mut sections = BTreeMap::new();
    let mut inner = reader.descend(key);
    for name in inner.keys() {
        if !is_name(&name) {
            inner.report_here(&name, format!("is not a name; allowed: {NAME_RULE}"));
        }
        if let Some(section) = read(&mut inner, &name) {
            sections.insert(name, section);
        }
    }
    sections
}
