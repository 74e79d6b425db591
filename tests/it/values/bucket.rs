//! Files of jobs in a bucket of a server that speaks S3: large ones go there in parts, which one that breaks off
//! leaves none of.

use std::fs;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Method;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use serde_json::json;
use tidemill::vault::{BlobStore, Keyring};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::files::{LARGE, begin, claimed, path};
use super::storage::files;
use super::{api, with};
use crate::api::server::{text, until};
use crate::support::Db;

const KEY: (&str, &str) = ("AKIATEST", "secret-of-the-test");

/// A bucket of a server over a folder.
async fn bucket(folder: &Path) -> BlobStore {
    fs::create_dir(folder.join("jobs")).unwrap();
    let mut builder = S3ServiceBuilder::new(FileSystem::new(folder).unwrap());
    builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let options = [
        ("aws_access_key_id", KEY.0),
        ("aws_secret_access_key", KEY.1),
        ("aws_endpoint", endpoint.as_str()),
        ("aws_region", "us-east-1"),
        ("allow_http", "true"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    BlobStore::open("s3://jobs/tidemill", options, 1024).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_goes_to_a_bucket_in_parts() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(bucket(folder.path()).await));
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
    until("its first parts", || async { files(&folder) > whole }).await;
    drop(stream);
    until("the end of its parts", || async { files(&folder) == whole }).await;
    assert!(text(&server.get(text(&kept["href"])).await.expect(200)) == content, "the earlier file stays");
}
