//! Files of jobs in a bucket of a server that speaks S3: large ones go there in parts, which one that breaks off
//! leaves none of.

use std::path::Path;

use reqwest::Method;
use serde_json::json;
use tidemill::vault::{BlobStore, Keyring};
use tokio::io::AsyncWriteExt;

use super::files::{LARGE, begin, claimed, path};
use super::storage::files;
use super::{api, with};
use crate::api::server::{text, until};
use crate::s3;
use crate::support::Db;

/// A bucket of the server at `endpoint`.
fn bucket(endpoint: &str, secret: &str) -> BlobStore {
    BlobStore::open("s3://jobs/tidemill", s3::options(endpoint, secret), 1024).unwrap()
}

/// The size of the parts in which a file is sent.
const PART_BYTES: u64 = 5 * 1024 * 1024;

fn has_file_of(folder: &Path, bytes: u64) -> bool {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).any(|found| found.is_file() && found.len() == bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_to_a_bucket_in_parts() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let endpoint = s3::serve(folder.path(), "jobs").await;
    let store = with(&db, Keyring::default(), Some(bucket(&endpoint, s3::KEY.1)));
    let (server, _guard) = api(&store).await;
    let job = claimed(&server).await;
    let content = "tide".repeat(LARGE / 4);
    let request = server.request(Method::PUT, &path(&job, "a.bin")).body(content.clone());
    let kept = server.send(request).await.expect(200);
    assert_eq!((&kept["bytes"], &kept["content_type"]), (&json!(LARGE), &json!("application/octet-stream")));
    assert!(text(&server.get(text(&kept["href"])).await.expect(200)) == content, "all parts, in order");
    let whole = files(&folder);

    let mut stream = begin(&server, &path(&job, "a.bin"), LARGE).await;
    stream.write_all(&content.as_bytes()[..LARGE - 1]).await.unwrap();
    // Its last byte is under way within the bucket's server, which takes in the part whoever still waits for it.
    until("a part", || async { has_file_of(folder.path(), PART_BYTES - 1) }).await;
    drop(stream);
    until("the end of its parts", || async { files(&folder) == whole }).await;
    assert!(text(&server.get(text(&kept["href"])).await.expect(200)) == content, "the earlier file stays");

    let stranger = with(&db, Keyring::default(), Some(bucket(&endpoint, "another")));
    let (stranger, _guard) = api(&stranger).await;
    let refused = stranger.get(text(&kept["href"])).await.problem(503, "unavailable");
    assert_eq!(refused["detail"], "The object storage of the server failed.", "not the database");
}
