//! Answers that come as a stream.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use tidemill::Context;
use tidemill::job::attempt::Outcome;
use tidemill::kinds::url::UrlKind;
use tidemill::worker::context::Attempt;
use tidemill::worker::handler::DynHandler;
use tidemill::worker::testing::outcome_of;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::{answered, call, completed, failure, in_time, serve, spec};

#[tokio::test]
async fn a_stream_is_obeyed_as_it_comes() {
    let (lines, stream) = mpsc::channel::<&str>(1);
    let stream = Arc::new(tokio::sync::Mutex::new(Some(stream)));
    let handler = async move || -> Response {
        let mut stream = stream.lock().await.take().unwrap();
        let body = async_stream::stream! {
            while let Some(line) = stream.recv().await {
                yield Ok::<_, std::io::Error>(line);
            }
        };
        ([(header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8")], Body::from_stream(body))
            .into_response()
    };
    let kind = UrlKind::new(spec(serve(Router::new().route("/", post(handler))).await)).unwrap();
    let (context, mut probe) = Context::for_test(Attempt::for_test("resize", json!({})));
    let attempt = tokio::spawn(async move { kind.run(context).await });

    lines.send("{\"progress\":{\"percent\":30,\"st").await.unwrap();
    lines.send("ep\":\"half\"}}\n\n{\"log\":\"said\"}\nnonsense\n").await.unwrap();
    let progress = in_time(probe.wait_for(|event| event.kind == "progress")).await;
    assert_eq!(progress.data, json!({ "percent": 30.0, "step": "half" }));
    in_time(probe.wait_for(|event| event.data["stream"] == "url")).await;
    assert_eq!(probe.lines("log"), ["said"]);
    assert!(!attempt.is_finished());
    lines.send("{\"result\":{\"n\":1}}").await.unwrap();
    drop(lines);
    assert_eq!(outcome_of(in_time(attempt).await.unwrap()).0, completed(json!({ "n": 1 })));
}

#[tokio::test]
async fn a_stream_may_fail_or_break_off() {
    let ndjson = [(header::CONTENT_TYPE, "application/x-ndjson")];
    let named = failure(
        answered((ndjson.clone(), r#"{"error":{"message":"no","type":"t","permanent":true}}"#)).await,
    );
    assert_eq!((named.message.as_str(), named.class.as_str(), named.permanent), ("no", "t", true));

    let handler = async move || -> Response {
        let parts = [Ok("{\"result\":1}\n"), Err(std::io::Error::other("the server died"))];
        (ndjson, Body::from_stream(futures_util::stream::iter(parts))).into_response()
    };
    let broken = failure(call(spec(serve(Router::new().route("/", post(handler))).await)).await);
    assert_eq!((broken.class.as_str(), broken.permanent), ("connection", false));
}

/// The end of an attempt whose call is answered with a stream of no stated length, which ends with its connection.
async fn ended_by_close(body: impl Into<String>) -> Outcome {
    let body = body.into();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        // The call's body is the last of it, one object of JSON; what is left unread would reset the connection.
        while !request.ends_with(b"}") {
            assert!(client.read_buf(&mut request).await.unwrap() > 0, "the call broke off");
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
        client.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
    });
    call(spec(address)).await
}

#[tokio::test]
async fn a_stream_that_ends_in_the_middle_of_a_line_is_retried() {
    for body in ["{\"log\":\"on it\"}\n{\"resu", "{\"result\":1}\n{\"log\":\"al", "{\"result\":1"] {
        let broken = failure(ended_by_close(body).await);
        assert_eq!((broken.class.as_str(), broken.permanent), ("connection", false), "{body}: {broken:?}");
    }
    // The last line need not end with a line feed.
    for end in ["\n", "", "\r", "\n ", "\nbye"] {
        assert_eq!(ended_by_close(format!("{{\"result\":1}}{end}")).await, completed(json!(1)), "{end:?}");
    }
}
