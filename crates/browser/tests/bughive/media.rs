//! Files reach a server that speaks S3, from a job or from the allowed folder and from nowhere else.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use tidemill_browser::bughive::MEDIA;
use tidemill_browser::bughive::media::MediaSpec;

use crate::mill::{Kit, Mill, TIMEOUT, crawl, ended, failure, for_good, job, message, program, with_files};
use crate::s3::{self, KEY};
use crate::site::{Plan, SLOW_PAGE_SECONDS, Site};
use crate::support::{Db, wait_at_most};

fn spec(endpoint: &str, secret: &str) -> MediaSpec {
    let options = s3::options(endpoint, secret).collect();
    MediaSpec { url: Some("s3://shots/bughive".into()), options, folder: None }
}

fn upload(args: Value) -> tidemill::NewJob {
    job(MEDIA, "media", args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pictures_of_a_crawl_are_uploaded() {
    let db = Db::new().await;
    let (store, _folder) = with_files(&db);
    let bucket = tempfile::tempdir().unwrap();
    let endpoint = s3::serve(bucket.path(), "shots").await;
    let site = Site::start(Plan::Planted).await;
    let mill = Mill::start(&store, &Kit { media: spec(&endpoint, KEY.1), ..Kit::default() });
    let args = json!({
        "session_id": "pictures", "base_url": site.url("/untitled"), "slow_page_seconds": SLOW_PAGE_SECONDS, "upload": true,
    });
    let id = db.enqueue(crawl(args)).await;
    let crawled = ended(&db, id).await;
    let uploads = crawled.result.unwrap_or_else(|| panic!("{:?}", crawled.error))["uploads"].clone();
    let uploads: Vec<uuid::Uuid> = serde_json::from_value(uploads).unwrap();
    assert_eq!(uploads.len(), 1);
    let done = ended(&db, uploads[0]).await;
    let result = done.result.unwrap_or_else(|| panic!("{:?}", done.error));
    assert_eq!(result["url"], "s3://shots/bughive/sessions/pictures/page-0.png");
    let there = fs::read(bucket.path().join("shots/bughive/sessions/pictures/page-0.png")).unwrap();
    let (_, kept) = store.read_artifact(id, "page-0.png").await.unwrap();
    assert_eq!(there, kept);
    assert_eq!((&result["bytes"], &result["content_type"]), (&json!(kept.len()), &json!("image/png")));
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_files_below_the_folder_are_uploaded() {
    let db = Db::new().await;
    let home = tempfile::tempdir().unwrap();
    let (shots, target) = (home.path().join("shots"), home.path().join("target"));
    fs::create_dir(&shots).unwrap();
    fs::write(shots.join("a.png"), "a picture").unwrap();
    fs::write(home.path().join("secret"), "not for others").unwrap();
    std::os::unix::fs::symlink(home.path().join("secret"), shots.join("link")).unwrap();
    let media = MediaSpec {
        url: Some(format!("file://{}", target.display())),
        options: BTreeMap::new(),
        folder: Some(shots),
    };
    let mill = Mill::start(&db.store, &Kit { media, ..Kit::default() });
    let done = ended(&db, db.enqueue(upload(json!({ "path": "a.png", "key": "x/y.png" }))).await).await;
    assert_eq!(done.result.unwrap()["content_type"], "image/png");
    assert_eq!(fs::read_to_string(target.join("x/y.png")).unwrap(), "a picture");
    for (args, class) in [
        (json!({ "path": "../secret" }), "bad_args"),
        (json!({ "path": home.path().join("secret") }), "bad_args"),
        (json!({ "path": "link" }), "bad_args"),
        (json!({ "path": "nothing.png" }), "not_found"),
        (json!({ "path": "a.png", "key": "../a.png" }), "bad_args"),
        (json!({}), "bad_args"),
    ] {
        let job = ended(&db, db.enqueue(upload(args.clone())).await).await;
        assert_eq!(failure(&job), for_good(class), "{args}");
    }
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_that_does_not_let_us_in_is_not_asked_again() {
    let db = Db::new().await;
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a.png"), "a picture").unwrap();
    let bucket = tempfile::tempdir().unwrap();
    let endpoint = s3::serve(bucket.path(), "shots").await;
    let media = MediaSpec { folder: Some(home.path().into()), ..spec(&endpoint, "a wrong secret") };
    let mill = Mill::start(&db.store, &Kit { media, ..Kit::default() });
    let id = db.enqueue(upload(json!({ "path": "a.png" }))).await;
    let job = ended(&db, id).await;
    assert_eq!(failure(&job), for_good("authentication"), "{}", message(&job));
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_is_the_same_file_and_a_storage_that_fails_is_tried_again() {
    let db = Db::new().await;
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("target");
    let media = MediaSpec {
        url: Some(format!("file://{}", target.display())),
        options: BTreeMap::new(),
        folder: Some(home.path().into()),
    };
    let mill = Mill::start(&db.store, &Kit { media, ..Kit::default() });
    for text in ["the first", "the second, which is longer"] {
        fs::write(home.path().join("a.txt"), text).unwrap();
        let done = ended(&db, db.enqueue(upload(json!({ "path": "a.txt", "key": "x/a.txt" }))).await).await;
        assert_eq!(done.result.unwrap()["bytes"], text.len());
        assert_eq!(fs::read_to_string(target.join("x/a.txt")).unwrap(), text);
        assert_eq!(fs::read_dir(target.join("x")).unwrap().count(), 1);
    }

    // A file stands where the folder should be, until somebody takes it away.
    fs::write(target.join("y"), "in the way").unwrap();
    let stubborn = tidemill::NewJob {
        max_attempts: Some(1_000),
        ..upload(json!({ "path": "a.txt", "key": "y/a.txt" }))
    };
    let id = db.enqueue(stubborn).await;
    let error: Value = wait_at_most(TIMEOUT, "the first attempt fails", || async {
        db.attempts(id).await.unwrap().into_iter().find_map(|attempt| attempt.error)
    })
    .await;
    assert_eq!((&error["type"], &error["permanent"]), (&json!("storage"), &json!(false)), "{error}");
    fs::remove_file(target.join("y")).unwrap();
    assert!(ended(&db, id).await.result.is_some());
    assert!(target.join("y/a.txt").exists());
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_can_never_be_a_file_is_not_tried_again() {
    let db = Db::new().await;
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("target");
    fs::create_dir_all(target.join("folder")).unwrap();
    fs::write(home.path().join("a.txt"), "a text").unwrap();
    let media = MediaSpec {
        url: Some(format!("file://{}", target.display())),
        options: BTreeMap::new(),
        folder: Some(home.path().into()),
    };
    let mill = Mill::start(&db.store, &Kit { media, ..Kit::default() });
    let tried = async |key: &str| {
        let args = json!({ "path": "a.txt", "key": key });
        ended(&db, db.enqueue(upload(args)).await).await
    };
    assert!(tried("a.txt").await.result.is_some());
    for (key, why) in [
        ("../../x", "`.` or `..`"),
        ("x/./y", "`.` or `..`"),
        ("x//y", "without empty parts"),
        ("a#1", "`#`"),
        ("folder", "is a folder"),
    ] {
        let job = tried(key).await;
        assert_eq!(failure(&job), for_good("bad_args"), "{key}: {}", message(&job));
        assert!(message(&job).contains(why), "{key}: {}", message(&job));
    }
    assert_eq!(fs::read_dir(&target).unwrap().count(), 2, "nothing else was made");
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_where_its_key_and_its_url_say() {
    let db = Db::new().await;
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a.png"), "a picture").unwrap();
    let bucket = tempfile::tempdir().unwrap();
    let endpoint = s3::serve(bucket.path(), "shots").await;
    let folder = MediaSpec {
        url: Some(format!("file://{}/ta%20rget/", home.path().display())),
        options: BTreeMap::new(),
        folder: None,
    };
    for (spec, root) in
        [(spec(&endpoint, KEY.1), bucket.path().join("shots/bughive")), (folder, home.path().join("ta rget"))]
    {
        let mill = Mill::start(
            &db.store,
            &Kit { media: MediaSpec { folder: Some(home.path().into()), ..spec }, ..Kit::default() },
        );
        for session in ["prüfung", "v1~2", "a#b", "50%", "50%25", "what?", "a b", "[x]"] {
            let key = format!("sessions/{session}/page-0.png");
            let id = db.enqueue(upload(json!({ "path": "a.png", "key": key }))).await;
            let done = ended(&db, id).await;
            let result = done.result.unwrap_or_else(|| panic!("{key}: {:?}", done.error));
            assert_eq!(result["key"], key);
            assert_eq!(fs::read_to_string(root.join(&key)).unwrap(), "a picture", "{key}");
            // Who reads the URL finds the same.
            let url: url::Url = result["url"].as_str().unwrap().parse().unwrap();
            let (_, path) = object_store::ObjectStoreScheme::parse(&url).unwrap();
            assert!(path.as_ref().ends_with(&format!("/{key}")), "{url}");
        }
        mill.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_for_which_session_a_file_is_uploaded() {
    let db = Db::new().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "a picture").unwrap();
    let config = format!(
        "[database]\nurl = '{}'\n[log]\nformat = 'json'\n[bughive]\nenabled = true\nmedia_folder = '.'\n\
         media_url = 'file://{}/target'\n",
        db.options().url,
        folder.path().display()
    );
    fs::write(folder.path().join("tidemill.toml"), config).unwrap();
    let _worker = program(folder.path(), &["worker"], "worker.log");
    let id = db.enqueue(upload(json!({ "path": "a.txt", "session_id": "mine" }))).await;
    let done = ended(&db, id).await;
    assert!(done.result.is_some(), "{:?}", done.error);
    let line: Value = wait_at_most(TIMEOUT, "the line", || async {
        let log = fs::read_to_string(folder.path().join("worker.log")).unwrap();
        let line = log.lines().find(|line| line.contains("uploaded a file"))?;
        serde_json::from_str(line).ok()
    })
    .await;
    assert_eq!((&line["session_id"], &line["task_id"]), (&json!("mine"), &json!(id)), "{line}");
    assert!(line.as_object().unwrap().values().all(|value| !value.is_object()), "{line}");
}
