//! A server that speaks S3 over a folder on this machine, and the options by which it is reached. As a real one does,
//! it carries out a request that has arrived, whether its sender still waits or not. It must never be reached from
//! another machine: it listens on loopback alone.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

/// The id of the one key that it accepts, and the key's secret.
pub const KEY: (&str, &str) = ("AKIATEST", "secret-of-the-test");

/// Serves `folder` with one empty bucket named `bucket`; answers the server's address.
pub async fn serve(folder: &Path, bucket: &str) -> String {
    fs::create_dir(folder.join(bucket)).unwrap();
    let mut builder = S3ServiceBuilder::new(FileSystem::new(folder).unwrap());
    builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let answered = service_fn(move |request| answer(service.clone(), request));
                let _ = server.serve_connection(TokioIo::new(stream), answered).await;
            });
        }
    });
    address
}

/// How long the end of a part is under way within the server.
const PART_DELAY: Duration = Duration::from_millis(300);

/// Carries out the request once all of it is there, also when its connection is gone.
async fn answer(mut service: S3Service, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
    let (head, body) = request.into_parts();
    let whole = body.collect().await.map_err(|error| HttpError::new(error.into()))?.to_bytes();
    let is_part = head.uri.query().is_some_and(|query| query.contains("partNumber="));
    let body = if is_part { late(whole) } else { Full::new(whole).boxed_unsync() };
    let answered = tokio::spawn(tower::Service::call(&mut service, Request::from_parts(head, body)));
    answered.await.map_err(|error| HttpError::new(error.into()))?
}

/// A body whose last byte comes late.
fn late(mut whole: Bytes) -> UnsyncBoxBody<Bytes, Infallible> {
    let last = whole.split_off(whole.len().saturating_sub(1));
    let late = stream::once(async move {
        tokio::time::sleep(PART_DELAY).await;
        last
    });
    StreamBody::new(stream::once(async { whole }).chain(late).map(|bytes| Ok(Frame::data(bytes))))
        .boxed_unsync()
}

/// The options of a store that reaches the server at `endpoint` with `secret`.
pub fn options(endpoint: &str, secret: &str) -> impl Iterator<Item = (String, String)> {
    let options = [
        ("aws_access_key_id", KEY.0),
        ("aws_secret_access_key", secret),
        ("aws_endpoint", endpoint),
        ("aws_region", "us-east-1"),
        ("allow_http", "true"),
    ];
    options.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter()
}
