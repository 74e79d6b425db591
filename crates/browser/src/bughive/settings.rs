//! The settings of the web quality agent. Must name no setting of another extension.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tidemill::KindSettings;
use tidemill_settings::section;
use tidemill_settings::section::{DeclaredSetting, Entry, Reader, Section};
use tidemill_settings::types::{
    HttpUrl, Priority, QueueName, Secret, StorageUrl, VariableName, VariableText,
};

section! {
    /// The rules for the jobs of one of these kinds; absent settings have the defaults of docs/crawling.md.
    RulesSection {
        /// The priority of its jobs.
        priority: Option<Priority> = none;
        /// The most attempts of a job in total.
        max_attempts: Option<i32> where "1"..="1000" = none;
        /// The time after which an attempt is asked to stop.
        soft_timeout: Option<Duration> where "10ms"..="365d" = none;
        /// The time after which an attempt is ended.
        hard_timeout: Option<Duration> where "10ms"..="366d" = none;
        /// The delay before the second attempt.
        backoff_first: Option<Duration> where "0s"..="30d" = none;
    }
}

section! {
    /// The kinds `crawl.session`, `ticket.create`, `media.upload` and `sessions.cleanup`, as docs/crawling.md
    /// describes them. Their queues crawl, tickets, media and default have 2, 4, 8 and 2 slots unless `[queues.NAME]`
    /// sets others.
    BugHiveSection {
        /// Whether this process serves the kinds and creates the schedule.
        enabled: bool = "false";
        /// The Chromium program for crawls. Absent: searched on the PATH.
        browser: Option<PathBuf> = none;
        /// Whether Chromium confines its pages in a sandbox. Absent: yes, except as root, where that is not possible.
        sandbox: Option<bool> = none;
        /// Whether sites at private and loopback addresses may be crawled.
        allow_private: bool = "false";
        /// Whether sites with untrusted certificates may be crawled.
        ignore_certificate_errors: bool = "false";
        /// The user agent of the crawler; the rules of `robots.txt` are read for the part before the slash.
        user_agent: String = "tidemill-crawler/1.0";
        /// The time after which a page that has not arrived is given up.
        page_timeout: Duration where "1s"..="10m" = "30s";
        /// The shortest time between two requests of one crawl.
        page_delay: Duration where "0s"..="10m" = "500ms";
        /// How long a crawl that has ended is shown as a session; after that its name is free, and its job is removed.
        session_ttl: Duration where "1m"..="365d" = "24h";
        /// The URL of Linear's GraphQL API.
        linear_url: HttpUrl = "https://api.linear.app/graphql";
        /// The API key for Linear. Absent: no tickets can be created.
        linear_api_key: Option<Secret> = none;
        /// The id of the team for tickets that name no team.
        linear_team: Option<String> = none;
        /// The storage for uploads, in the format of `storage.url`. Absent: below `media` in `storage.url`.
        media_url: Option<StorageUrl> = none;
        /// Options of that storage, in the format of `storage.options`.
        media_options: BTreeMap<VariableName, VariableText> = "{}";
        /// The folder whose files may be uploaded by their path. Absent: only files of jobs can be uploaded.
        media_folder: Option<PathBuf> = none;
        /// When crawls whose sessions have expired are removed: a cron expression in UTC.
        cleanup: String = "0 3 * * *";
        /// The rules of `crawl.session`.
        crawl: RulesSection = {};
        /// The rules of `ticket.create`.
        ticket: RulesSection = {};
        /// The rules of `media.upload`.
        media: RulesSection = {};
        /// The rules of `sessions.cleanup`.
        sessions: RulesSection = {};
    }
}

section! {
    /// `POST /api/crawl/start` and the sessions for a kind of your own (`docs/crawling.md`).
    CrawlSection {
        /// The kind of a crawl's jobs: a command, a URL, or the kind of a remote worker, in the queue of that kind. Its
        /// progress shows `pages_crawled` and `bugs_found` in `data`. Absent: `crawl.session`.
        kind: Option<QueueName> = none;
    }
}

impl Entry for RulesSection {
    const FIELDS: &'static [DeclaredSetting] = <Self as Section>::FIELDS;

    fn allowed() -> String {
        "a table".into()
    }

    fn read(reader: &mut Reader<'_>, field: &'static DeclaredSetting) -> Self {
        reader.section(field.key)
    }
}

impl RulesSection {
    /// The rules with the settings given here applied.
    #[must_use]
    pub fn over(&self, mut rules: KindSettings) -> KindSettings {
        rules.priority = self.priority.map_or(rules.priority, |priority| priority.0);
        rules.max_attempts = self.max_attempts.unwrap_or(rules.max_attempts);
        rules.soft_timeout = self.soft_timeout.or(rules.soft_timeout);
        rules.hard_timeout = self.hard_timeout.unwrap_or(rules.hard_timeout);
        rules.backoff.first = self.backoff_first.unwrap_or(rules.backoff.first);
        rules.backoff.max = rules.backoff.max.max(rules.backoff.first);
        rules
    }
}
