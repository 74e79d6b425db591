//! The delivery of alerts, over real HTTP and real SMTP.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tidemill::{AlertRule, Condition, Options, Store};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{channels, keep, keep_in, rule};
use crate::support::{Db, Mill, Proxy, Session, ok, wait_for};

/// What came to a receiver.
#[derive(Debug, Clone)]
struct Call {
    id: String,
    signature: String,
    timestamp: String,
    text: String,
}

impl Call {
    fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

/// A receiver that refuses the first `refusals` calls.
#[derive(Debug, Clone, Default)]
struct Receiver {
    calls: Arc<Mutex<Vec<Call>>>,
    refusals: usize,
}

impl Receiver {
    /// Listens; answers its address.
    async fn start(&self) -> String {
        let app = Router::new().route("/hook", post(receive)).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        format!("http://{address}/hook")
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, text: String) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let mut calls = receiver.calls.lock().unwrap();
    calls.push(Call {
        id: header("webhook-id"),
        signature: header("webhook-signature"),
        timestamp: header("webhook-timestamp"),
        text,
    });
    if calls.len() <= receiver.refusals { StatusCode::BAD_GATEWAY } else { StatusCode::NO_CONTENT }
}

/// The signature as Standard Webhooks describes it, by its own steps.
fn signed(call: &Call) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, KeyInit, Mac};
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{}", call.id, call.timestamp, call.text).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn a_webhook_is_called_once_when_it_fires_and_once_when_it_is_resolved() {
    let db = Db::new().await;
    let receiver = Receiver::default();
    let hooked = AlertRule { webhook: Some(receiver.start().await), ..rule(Condition::NoWorker, 0.0) };
    db.set_alert("nobody", &hooked, None).await.unwrap();
    // Three processes, of which each looks twenty times a second.
    let keepers = [keep(&db, &channels(None)), keep(&db, &channels(None)), keep(&db, &channels(None))];
    wait_for("it fires", || async { (!receiver.calls().is_empty()).then_some(()) }).await;
    let mill = Mill::builder(&db.store).handler("k", |_| async { ok(None) }).start();
    wait_for("it is resolved", || async { (receiver.calls().len() >= 2).then_some(()) }).await;
    wait_for("everything is delivered", || async {
        (db.count("alert_notices where sent_at is null").await == 0).then_some(())
    })
    .await;
    let calls = receiver.calls();
    let types: Vec<_> = calls.iter().map(|call| call.body()["type"].clone()).collect();
    assert_eq!(types, ["alert.fired", "alert.resolved"]);
    for call in &calls {
        assert_eq!(call.signature, signed(call));
        assert_eq!(call.body()["alert"]["rule"], "nobody");
    }
    assert_ne!(calls[0].id, calls[1].id);
    assert!(calls[1].body()["alert"]["resolved_at"].is_string());
    assert_eq!(db.count("alert_notices where attempts <> 1").await, 0, "none was delivered twice");
    mill.stop().await;
    drop(keepers);
}

#[tokio::test]
async fn a_test_reaches_the_receivers_and_says_that_it_is_one() {
    let db = Db::new().await;
    let receiver = Receiver::default();
    let hooked = AlertRule { webhook: Some(receiver.start().await), ..rule(Condition::QueueDepth, 1e6) };
    db.set_alert("deep", &hooked, None).await.unwrap();
    assert!(db.test_alert("deep").await.unwrap());
    assert!(!db.test_alert("unknown").await.unwrap());
    let _maintenance = keep(&db, &channels(None));
    wait_for("it is delivered", || async {
        (db.count("alert_log where undelivered = 0").await == 1).then_some(())
    })
    .await;
    let calls = receiver.calls();
    assert_eq!(calls.len(), 1);
    let alert = &calls[0].body()["alert"];
    assert_eq!(alert["message"], "a test of the alert rule deep: nothing is wrong");
    assert_eq!(db.count("alerts where resolved_at is null").await, 0, "nothing is open");
    assert_eq!(db.count("audit_log where action = 'test' and subject = 'alert:deep'").await, 1);
}

#[tokio::test]
async fn a_receiver_that_fails_and_a_sender_that_dies_lose_nothing() {
    let db = Db::new().await;
    let receiver = Receiver { refusals: 1, ..Receiver::default() };
    let hooked = AlertRule { webhook: Some(receiver.start().await), ..rule(Condition::NoWorker, 0.0) };
    db.set_alert("nobody", &hooked, None).await.unwrap();
    db.evaluate_alerts(None).await.unwrap();
    // Somebody takes the notices and dies.
    assert_eq!(db.take_notices(10).await.unwrap().len(), 2);
    assert!(db.take_notices(10).await.unwrap().is_empty(), "nobody else sends them meanwhile");
    let later = "update alert_notices set due_at = clock_timestamp() where sent_at is null";
    db.execute(later).await;
    let _maintenance = keep(&db, &channels(None));
    let error: String = wait_for("the receiver refuses", || async {
        db.scalar::<Option<String>>("select last_error from alert_log").await
    })
    .await;
    assert_eq!(error, "the receiver answered 502");
    db.execute(later).await;
    wait_for("it is delivered", || async {
        (db.count("alert_log where undelivered = 0").await == 1).then_some(())
    })
    .await;
    let calls = receiver.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].id, calls[1].id, "the receiver recognises it as the same");
}

#[tokio::test]
async fn a_receiver_that_was_away_hears_of_the_end_behind_the_beginning() {
    let db = Db::new().await;
    let receiver = Receiver { refusals: 1, ..Receiver::default() };
    let hooked = AlertRule { webhook: Some(receiver.start().await), ..rule(Condition::NoWorker, 0.0) };
    db.set_alert("nobody", &hooked, None).await.unwrap();
    let _maintenance = keep(&db, &channels(None));
    wait_for("the receiver refuses", || async {
        (db.count("alert_notices where channel = 'webhook' and error is not null").await == 1).then_some(())
    })
    .await;
    // It is over before the receiver is tried again.
    assert!(db.drop_alert("nobody").await.unwrap());
    wait_for("the log says so", || async {
        (db.count("alert_notices where channel = 'log' and sent_at is not null").await == 2).then_some(())
    })
    .await;
    db.execute(
        "update alert_notices set due_at = clock_timestamp() where event = 'fired' and sent_at is null",
    )
    .await;
    wait_for("everything is delivered", || async {
        (db.count("alert_notices where sent_at is null").await == 0).then_some(())
    })
    .await;
    let types: Vec<_> = receiver.calls().iter().map(|call| call.body()["type"].clone()).collect();
    assert_eq!(types, ["alert.fired", "alert.fired", "alert.resolved"]);
}

#[tokio::test]
async fn the_end_of_an_alert_waits_until_its_beginning_is_delivered_or_given_up() {
    let db = Db::new().await;
    let mailed = AlertRule { email: vec!["ann@example.org".into()], ..rule(Condition::NoWorker, 0.0) };
    db.set_alert("nobody", &mailed, None).await.unwrap();
    db.evaluate_alerts(None).await.unwrap();
    let begun = db.take_notices(10).await.unwrap();
    assert!(db.drop_alert("nobody").await.unwrap());
    let taken = async || {
        let notices = db.take_notices(10).await.unwrap();
        notices.into_iter().map(|notice| format!("{} {}", notice.channel, notice.event)).collect::<Vec<_>>()
    };
    assert!(taken().await.is_empty(), "the process that took them is delivering them");
    for notice in begun {
        let error = (notice.channel == "email").then_some("nobody is there");
        db.notice_sent(notice.id, error).await.unwrap();
    }
    assert_eq!(taken().await, ["log resolved"]);
    db.execute("update alert_notices set attempts = 20 where event = 'fired' and sent_at is null").await;
    assert!(taken().await.is_empty(), "the last try may not be over");
    db.execute("update alert_notices set due_at = clock_timestamp() where event = 'fired'").await;
    assert_eq!(taken().await, ["email resolved"]);
}

#[tokio::test]
async fn private_addresses_are_only_called_if_the_config_says_so() {
    let db = Db::new().await;
    let receiver = Receiver::default();
    let address = receiver.start().await;
    for (name, host) in [("literal", address.clone()), ("name", address.replace("127.0.0.1", "localhost"))] {
        let hooked = AlertRule { webhook: Some(host), ..rule(Condition::NoWorker, 0.0) };
        db.set_alert(name, &hooked, None).await.unwrap();
    }
    let careful = tidemill::outbound::ChannelSettings { allow_private: false, ..channels(None) };
    let _maintenance = keep(&db, &careful);
    wait_for("both are refused", || async {
        (db.count("alert_log where last_error like '%not a public address%alerting.allow_private%'").await
            == 2)
            .then_some(())
    })
    .await;
    assert!(receiver.calls().is_empty());
}

/// A mail server for one connection after another; keeps what it is sent.
async fn mail_server(mails: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mails = mails.clone();
            tokio::spawn(async move { converse(stream, &mails).await });
        }
    });
    format!("smtp://{address}")
}

async fn converse(stream: TcpStream, mails: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 here\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => "250 here\r\n",
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    text += &line;
                    text.push('\n');
                }
                mails.lock().unwrap().push(text);
                "250 kept\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn mail_is_sent_to_each_address() {
    let db = Db::new().await;
    let mails = Arc::new(Mutex::new(Vec::new()));
    let email = vec!["ann@example.org".to_owned(), "bob@example.org".to_owned()];
    db.set_alert("nobody", &AlertRule { email, ..rule(Condition::NoWorker, 0.0) }, None).await.unwrap();
    let _maintenance = keep(&db, &channels(Some(mail_server(mails.clone()).await)));
    wait_for("both are written to", || async {
        (db.count("alert_log where undelivered = 0").await == 1).then_some(())
    })
    .await;
    let mut sent = mails.lock().unwrap().clone();
    sent.sort_by_key(|mail| mail.contains("bob@example.org"));
    assert_eq!(sent.len(), 2);
    for (mail, to) in sent.iter().zip(["ann@example.org", "bob@example.org"]) {
        let lines: Vec<_> = mail.lines().collect();
        for line in [
            "From: Tidemill <tidemill@example.org>",
            &format!("To: {to}"),
            "Subject: [tidemill] nobody fired: workers",
            "0 workers are there.",
            "rule: nobody",
        ] {
            assert!(lines.contains(&line), "{line} is not in\n{mail}");
        }
        assert!(mail.contains("Message-ID: <") && mail.contains("@tidemill>"), "{mail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_database_is_reported_when_it_has_ended() {
    let db = Db::new().await;
    let receiver = Receiver::default();
    let outage = std::time::Duration::from_secs(2);
    // Only what lasted as long fires at once: no slow answer of a busy machine does.
    let slow = AlertRule {
        hold: outage.mul_f64(0.9),
        webhook: Some(receiver.start().await),
        ..rule(Condition::DatabaseLatency, 0.5)
    };
    db.set_alert("away", &slow, None).await.unwrap();
    let proxy = Proxy::before(&db.options().url).await;
    let through = Options { url: proxy.url(&db.options().url), listen_url: None, ..db.options() };
    let _maintenance = keep_in(Store::connect(through).unwrap(), &channels(None));
    db.set_alert("nobody", &rule(Condition::NoWorker, 0.0), None).await.unwrap();
    wait_for("it measures", || async {
        (db.count("alert_log where rule = 'nobody'").await == 1).then_some(())
    })
    .await;
    proxy.down();
    tokio::time::sleep(outage).await;
    assert!(receiver.calls().is_empty(), "nobody could know of it yet");
    proxy.heal();
    wait_for("it is delivered", || async { (!receiver.calls().is_empty()).then_some(()) }).await;
    let body = receiver.calls()[0].body();
    assert_eq!((&body["type"], &body["alert"]["rule"]), (&json!("alert.fired"), &json!("away")));
    let alert = &db.alerts(false, Some("away"), 1).await.unwrap()[0];
    let lasted = (alert.fired_at.unwrap() - alert.since).as_seconds_f64();
    assert!(lasted >= outage.as_secs_f64() * 0.9, "{lasted} s: {}", json!(alert));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_reported_although_another_process_measures_when_it_has_ended() {
    let db = Db::new().await;
    let outage = std::time::Duration::from_secs(2);
    db.set_alert("away", &rule(Condition::DatabaseLatency, outage.as_secs_f64() * 0.9), None).await.unwrap();
    db.set_alert("nobody", &rule(Condition::NoWorker, 0.0), None).await.unwrap();
    let proxy = Proxy::before(&db.options().url).await;
    let through = Options { url: proxy.url(&db.options().url), listen_url: None, ..db.options() };
    let _maintenance = keep_in(Store::connect(through).unwrap(), &channels(None));
    let delivered = "alert_notices where sent_at is not null";
    wait_for("it measures and delivers", || async { (db.count(delivered).await == 1).then_some(()) }).await;
    proxy.down();
    tokio::time::sleep(outage).await;
    let mut other = Session::begin(&db).await;
    other
        .run("select pg_advisory_xact_lock(hashtext('tidemill alerts'), hashtext(current_schema()))")
        .await
        .unwrap();
    db.execute("update alert_notices set sent_at = null, due_at = clock_timestamp()").await;
    proxy.heal();
    // It delivers after it tried to measure.
    wait_for("it delivers again", || async { (db.count(delivered).await == 1).then_some(()) }).await;
    assert_eq!(db.count("alerts where rule = 'away'").await, 0);
    other.run("commit").await.unwrap();
    wait_for("the outage is reported", || async {
        (db.count("alert_log where rule = 'away' and fired_at is not null").await == 1).then_some(())
    })
    .await;
    let alert = &db.alerts(false, Some("away"), 1).await.unwrap()[0];
    assert!(alert.value >= outage.as_secs_f64() * 0.9, "{}", json!(alert));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_every_alert() {
    let db = Db::new().await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[database]\nurl = '{}'\n[alerting]\nevery = '100ms'\n[alerts.nobody]\ncondition = 'no_worker'\nhold = '0s'\n",
        db.options().url
    );
    std::fs::write(folder.path().join("tidemill.toml"), config).unwrap();
    let path = folder.path().join("log");
    let _server = tokio::process::Command::new(crate::binary::tidemill())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .env_clear()
        .stderr(std::fs::File::create(&path).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let line = async |words: &str| {
        wait_for(words, || async {
            let log = std::fs::read_to_string(&path).unwrap();
            log.lines().find(|line| line.contains(words)).map(str::to_owned)
        })
        .await
    };
    let fired = line("an alert fires").await;
    assert!(fired.contains("WARN") && fired.contains("nobody") && fired.contains("workers"), "{fired}");
    let mill = Mill::builder(&db.store).handler("k", |_| async { ok(None) }).start();
    assert!(line("an alert is resolved").await.contains("nobody"));
    mill.stop().await;
}
