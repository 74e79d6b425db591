//! Whole descriptions: their parsed form, and the key named in each refusal.

use serde_json::json;

use super::*;

fn read_text(text: &str) -> Result<Project, Fault> {
    let variables = Variables::from([("TAG".to_owned(), "1.2".to_owned())]);
    read("Shop.Front", yaml::parse(text)?, Path::new(env!("CARGO_MANIFEST_DIR")), &variables)
}

#[test]
fn a_file_becomes_a_project() {
    let project = read_text(
        r#"
version: "3.8"
x-env: &env
  A: 1
  FLAG: true
services:
  web:
    build: { context: src, dockerfile: ./lib.rs, args: [X=1], target: t, network: host }
    image: web:${TAG}
    command: serve --name "a b"
    environment: *env
    depends_on:
      db: { condition: service_healthy }
    restart: on-failure:3
  db:
    image: db
    environment: [P=q]
    volumes: [data:/d]
    network_mode: host
    healthcheck: { test: true || false, interval: 1s, retries: 2 }
    stop_grace_period: 1m30s
volumes:
  data:
"#,
    );
    let project = project.unwrap();
    assert_eq!(project.name, "shopfront");
    let names: Vec<_> = project.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["db", "web"], "the one that is waited for comes first");
    let [db, web] = &project.services[..] else { panic!() };
    assert_eq!(web.image.as_deref(), Some("web:1.2"));
    assert_eq!(web.command.as_deref(), Some(&["serve".into(), "--name".into(), "a b".into()][..]));
    assert_eq!(web.environment, BTreeMap::from([("A".into(), "1".into()), ("FLAG".into(), "true".into())]));
    assert_eq!(web.depends_on["db"], Condition::Healthy);
    let build = web.build.as_ref().unwrap();
    assert_eq!((build.dockerfile.as_str(), build.args["X"].as_str()), ("./lib.rs", "1"));
    assert_eq!(db.environment, BTreeMap::from([("P".into(), "q".into())]));
    assert_eq!(db.mounts, [Mount::Bind("shopfront_data:/d".into())]);
    assert_eq!(db.healthcheck.as_ref().unwrap().test, ["CMD-SHELL", "true || false"]);
}

#[test]
fn what_is_not_supported_is_refused_by_its_key() {
    let cases = [
        ("services: { web: { image: a, deploy: { replicas: 2 } } }", "services.web.deploy.replicas"),
        ("services: { web: { image: a, networks: [x] } }", "services.web.networks"),
        ("services: { web: { build: { context: src, ssh: [default] } } }", "services.web.build.ssh"),
        ("services: { web: { build: src } }", "services.web.build"),
        ("services: { web: { build: { context: src, dockerfile: ../Cargo.toml } } }", "services.web.build"),
        ("services: { web: { build: { context: src, dockerfile: /etc/hosts } } }", "services.web.build"),
        ("services: { web: { build: no/such } }", "services.web.build"),
        ("services: { web: { } }", "services.web"),
        ("services: { web: { image: a, depends_on: [db] } }", "services.web.depends_on.db"),
        (
            "services: { a: { image: a, depends_on: [b] }, b: { image: b, depends_on: [a] } }",
            "services.a.depends_on",
        ),
        ("services: { web: { image: 'a:${NO}' } }", "services.web.image"),
        ("services: { web: { image: a, volumes: ['x:/x'] } }", "services.web.volumes.0"),
        ("services: { web: { image: a, healthcheck: { test: [echo] } } }", "services.web.healthcheck.test"),
        ("services: { web: { image: a, network_mode: 'service:b' } }", "services.web.network_mode"),
        ("services: { web: { image: a, restart: often } }", "services.web.restart"),
        ("services: { web: { image: [a] } }", "services.web.image"),
        ("services: { web: { image: a, environment: [UNSET] } }", "services.web.environment.UNSET"),
        ("services: { web: { image: a, profiles: [x] } }", "services"),
        ("services: { web: { image: a, env_file: no.env } }", "services.web.env_file"),
        ("services: {}", "services"),
        ("secrets: { s: { file: f } }\nservices: { web: { image: a } }", "secrets"),
        ("volumes: { v: { driver: x } }\nservices: { web: { image: a } }", "volumes.v.driver"),
    ];
    for (text, key) in cases {
        let fault = read_text(text).unwrap_err();
        assert_eq!(fault.key, key, "{fault}");
    }
}

#[test]
fn services_may_stand_in_the_config() {
    let source = ProjectSource::Services(json!({ "web": { "image": "a" } }), PathBuf::from("/"));
    let project = load("tiny", &ProjectSpec { source, env: BTreeMap::new() }).unwrap();
    assert_eq!((project.name.as_str(), project.services.len(), project.file), ("tiny", 1, None));
}

#[test]
fn a_file_that_is_not_understood_any_more_still_has_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compose.yaml");
    let spec = ProjectSpec {
        source: ProjectSource::File(file.clone()),
        env: Variables::from([("STAGE".to_owned(), "prod".to_owned())]),
    };
    std::fs::write(&file, "name: shop-${STAGE}\nservices:\n  web: { image: a, pid: host }\n").unwrap();
    assert!(load("shop", &spec).is_err());
    assert_eq!(name_of("shop", &spec).unwrap(), "shop-prod");
    std::fs::write(&file, "services: { web: { image: a } }\n").unwrap();
    assert_eq!(name_of("Shop", &spec).unwrap(), "shop");
    std::fs::write(&file, "services: [").unwrap();
    assert!(name_of("shop", &spec).is_err(), "nothing is stopped by a guess");
}

#[test]
fn a_file_of_variables_that_makes_no_sense_hides_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("compose.yaml");
    let spec = ProjectSpec { source: ProjectSource::File(file.clone()), env: Variables::new() };
    std::fs::write(&file, "name: front\nservices: { web: { image: a } }\n").unwrap();
    std::fs::write(folder.path().join(".env"), "TAG=1\nPASSWORD=s3cret$word\n").unwrap();
    let bad = load("shop", &spec).unwrap_err().to_string();
    assert!(bad.contains("/.env, whose line 2 is not understood") && !bad.contains("word;"), "{bad}");
    assert!(!bad.contains("s3cret"), "{bad}");
    assert_eq!(name_of("shop", &spec).unwrap(), "front");
    std::fs::write(folder.path().join(".env"), "PASSWORD=two words\n").unwrap();
    assert!(load("shop", &spec).is_ok());
}

#[test]
fn the_file_of_this_repository_is_for_the_program() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker-compose.yml");
    let env = Variables::from([("POSTGRES_PASSWORD".to_owned(), "x".to_owned())]);
    let fault = load("tidemill", &ProjectSpec { source: ProjectSource::File(file), env }).unwrap_err();
    assert!(fault.to_string().contains("services.worker.deploy.replicas: is supported only as 1"), "{fault}");
}

#[test]
fn files_of_variables_and_profiles_are_heeded() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.env"), "A=1\nB=2\n").unwrap();
    let text = "services:\n  web: { image: a, env_file: [a.env, { path: no.env, required: false }], environment: { B: 3 } }\n  \
                debug: { image: a, profiles: [debug] }\n";
    let read_with = |profiles: &str| {
        let variables = Variables::from([("COMPOSE_PROFILES".to_owned(), profiles.to_owned())]);
        read("shop", yaml::parse(text).unwrap(), folder.path(), &variables).unwrap().services
    };
    let services = read_with("");
    let [web] = &services[..] else { panic!("{services:?}") };
    assert_eq!(web.environment, BTreeMap::from([("A".into(), "1".into()), ("B".into(), "3".into())]));
    assert_eq!(read_with("other, debug").len(), 2);
    std::fs::write(folder.path().join("a.env"), "A=other\n").unwrap();
    assert_ne!(read_with("")[0].description, web.description, "another file makes another container");
}
