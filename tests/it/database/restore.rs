//! Restore: a dump that is restored, here or on another version, is the same schema; what it lost of rights comes back,
//! and what really changed is still found.

use std::path::Path;
use std::process::{Command, Stdio};

use tidemill::Store;
use tidemill::store::db::migrate::migrate;
use tidemill::store::doctor::Finding;

use crate::support::cluster::{Cluster, done, program, programs, psql, system_programs};
use crate::support::{Db, job, options};

/// Copies one database into another, by the programs of `from` and `to`.
fn restore(from: (&Path, &str), to: (&Path, &str), more: &[&str]) -> bool {
    let mut dump = program(from.0, "pg_dump").args(["-Fc", from.1]).stdout(Stdio::piped()).spawn().unwrap();
    let mut restore = program(to.0, "pg_restore");
    restore.args(more).args(["-d", to.1]).stdin(dump.stdout.take().unwrap()).stderr(Stdio::null());
    let good = restore.status().unwrap().success();
    dump.wait().unwrap().success() && good
}

/// What doctor says of the schema and of rights.
async fn findings(store: &Store) -> Vec<Finding> {
    let findings = store.doctor().await.unwrap();
    let ours = |found: &Finding| {
        ["schema", "rights"].contains(&found.check.as_str()) && !found.message.contains("is hidden from")
    };
    findings.into_iter().filter(ours).collect()
}

#[tokio::test]
async fn a_restored_schema_is_whole_and_one_that_changed_is_not() {
    let (db, copy) = (Db::new().await, Db::empty().await);
    let programs = programs();
    let id = db.enqueue(job("k")).await;
    assert!(restore((&programs, &db.options().url), (&programs, &copy.options().url), &[]));
    assert!(findings(&copy).await.is_empty(), "{:?}", findings(&copy).await);
    migrate(&copy.options()).await.unwrap();
    assert!(findings(&copy).await.is_empty(), "{:?}", findings(&copy).await);
    assert_eq!(copy.state(id).await, "available");
    copy.execute("drop index jobs_live_tags; alter table limits drop constraint limits_limit_something")
        .await;
    let found = findings(&copy).await;
    let messages: Vec<_> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert!(messages.iter().any(|text| text.starts_with("missing: index jobs_live_tags")), "{messages:?}");
    // To migrate again forgets nothing of it.
    copy.execute("update schema_compatibility set verbs_digest = '0.0.1 other'").await;
    migrate(&copy.options()).await.unwrap();
    assert_eq!(findings(&copy).await.len(), found.len());
}

#[tokio::test]
async fn what_the_session_has_set_changes_nothing_of_the_schema() {
    let db = Db::new().await;
    for settings in [
        "-c timezone=Europe/Berlin -c datestyle=German",
        "-c intervalstyle=iso_8601 -c quote_all_identifiers=on",
        "-c standard_conforming_strings=off -c escape_string_warning=off -c bytea_output=escape -c extra_float_digits=-10",
    ] {
        let mut ask = Command::new("psql");
        ask.env("PGOPTIONS", settings).args(["-qXAt", &db.options().url, "-c"]);
        ask.arg("select message from tidemill.doctor() where \"check\" in ('schema', 'rights')");
        assert_eq!(String::from_utf8(done(&mut ask).stdout).unwrap(), "", "{settings}");
    }
}

#[tokio::test]
async fn a_restore_without_privileges_is_critical_until_the_next_migration() {
    let (db, copy) = (Db::new().await, Db::empty().await);
    let programs = programs();
    let lost = ["--no-owner", "--no-privileges"];
    assert!(restore((&programs, &db.options().url), (&programs, &copy.options().url), &lost));
    let open = "pg_proc where pronamespace = 'tidemill'::regnamespace and has_function_privilege('public', oid, 'execute')";
    assert!(copy.count(open).await > 100);
    let found = findings(&copy).await;
    assert!(found[0].severity == "critical" && found[0].message.contains("rights of the owner"), "{found:?}");
    migrate(&copy.options()).await.unwrap();
    assert_eq!(copy.count(open).await, 0);
    assert!(findings(&copy).await.is_empty());
    let (worker, _) = crate::database::roles::member(&copy, "tidemill_worker").await;
    drop(worker);
    assert!(
        copy.scalar::<bool>("select has_table_privilege('tidemill_worker', 'jobs_live', 'update')").await
    );
}

#[tokio::test]
async fn roles_that_come_later_get_their_grants() {
    let server = Cluster::start(programs(), &[]);
    psql(
        &server.url("postgres"),
        &["create role app1 login", "create database d", "create role w1 login", "create role ann login"],
    );
    psql(
        &server.url("d"),
        &["create schema tidemill authorization app1", "revoke create on database d from public"],
    );
    let login = |name: &str| options(server.url("d").replace("tidemill@", &format!("{name}@")));
    // It may make neither schemas nor roles, and needs to make none.
    migrate(&login("app1")).await.unwrap();
    let owner = Store::connect(login("app1")).unwrap();
    let found = findings(&owner).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .message
            .contains("role tidemill_admin, role tidemill_reader, role tidemill_worker are missing")
    );
    let open = "select count(*) from pg_proc where pronamespace = 'tidemill'::regnamespace and has_function_privilege('public', oid, 'execute')";
    assert_eq!(psql(&server.url("d"), &[open]), "0");
    // A login without access to the schema gets that error, not that there is no schema.
    let worker = Store::connect(login("w1")).unwrap();
    let refusal = worker.check_schema().await.unwrap_err().to_string();
    assert!(refusal.contains("w1") && refusal.contains("not allowed to use schema tidemill"), "{refusal}");
    let make = ["tidemill_admin", "tidemill_worker", "tidemill_reader"]
        .map(|role| format!("create role {role} nologin"));
    psql(&server.url("d"), &make.each_ref().map(String::as_str));
    psql(&server.url("d"), &["grant tidemill_worker to w1"]);
    assert!(findings(&owner).await[0].message.contains("grants to the roles are missing"));
    migrate(&login("app1")).await.unwrap();
    assert!(findings(&owner).await.is_empty(), "{:?}", findings(&owner).await);
    worker.check_schema().await.unwrap();
    // Its owner may not grant a role that another made: it gets an error, and a login that may grant it does.
    let owner_url = server.url("d").replace("tidemill@", "app1@");
    let asked = Command::new("psql")
        .args(["-qX", &owner_url, "-c", "select tidemill.make_reader('ann')"])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(
        output.contains("permission denied") && output.contains("grant tidemill_reader to ann"),
        "{output}"
    );
    psql(&server.url("d"), &["grant tidemill_reader to ann", "select tidemill.make_reader('ann')"]);
    assert_eq!(server.psql("d", "ann", &["select count(*) from tidemill.jobs_now"]), "0");
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused_before_anything_is_made() {
    let db = Db::new().await;
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("odd_{}_{}", encoding.to_lowercase(), uuid::Uuid::new_v4().simple());
        db.execute(format!("create database {name} encoding '{encoding}' template template0 locale 'C'"))
            .await;
        let url = url::Url::parse(&db.options().url).unwrap().join(&name).unwrap();
        let odd = options(url.to_string());
        let refusal = migrate(&odd).await.unwrap_err().to_string();
        assert!(refusal.contains(encoding) && refusal.contains("UTF8 is needed"), "{refusal}");
        assert_eq!(
            psql(url.as_str(), &["select count(*) from pg_namespace where nspname = 'tidemill'"]),
            "0"
        );
        db.execute(format!("drop database {name} with (force)")).await;
    }
}

#[tokio::test]
async fn a_dump_of_an_older_version_is_the_same_schema_on_a_newer() {
    let (new, Some(old)) = (programs(), system_programs()) else { return };
    if new == old {
        eprintln!("not run: TIDEMILL_TEST_POSTGRES names no other version");
        return;
    }
    let before = Cluster::start(old.clone(), &[]);
    psql(&before.url("postgres"), &["create database d"]);
    migrate(&options(before.url("d"))).await.unwrap();
    let after = Db::empty().await;
    assert!(restore((&old, &before.url("d")), (&new, &after.options().url), &[]));
    assert!(findings(&after).await.is_empty(), "{:?}", findings(&after).await);
    migrate(&after.options()).await.unwrap();
    assert!(findings(&after).await.is_empty());
    // Behind that migration even the text of a view is compared again.
    let view: String = after.scalar("select pg_get_viewdef('jobs_now')").await;
    let changed = view.trim_end().trim_end_matches(';');
    after.execute(format!("create or replace view jobs_now as {changed} limit 7")).await;
    assert_eq!(findings(&after).await.len(), 1);
}
