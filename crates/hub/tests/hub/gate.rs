//! A port at which a build waits until the test lets it through: so a test knows that a build runs, how
//! many do at once, and when one was cut off. No time is waited for as proof.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::DEADLINE;

/// Where builds wait.
pub(crate) struct Gate {
    listener: TcpListener,
    pub(crate) port: u16,
}

/// A build that waits.
pub(crate) struct Waiting(TcpStream);

impl Gate {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// The step of a Dockerfile that waits here; it fails unless it gets `ok`.
    pub(crate) fn step(&self) -> String {
        // Never the same, so that the engine never has it already.
        let fresh = uuid::Uuid::new_v4();
        // Its input never ends: then its connection ends only with it, or with the gate.
        let script = format!(
            ": {fresh}; b() {{ /bin/busybox $@; }}; b mkfifo /p; exec 3<>/p; b nc 127.0.0.1 {} <&3 | b tee /said; b grep -q ok /said",
            self.port
        );
        format!("RUN [\"/bin/busybox\", \"sh\", \"-c\", \"{script}\"]")
    }

    /// The next build that comes.
    pub(crate) async fn next(&self) -> Waiting {
        let accepted = tokio::time::timeout(DEADLINE, self.listener.accept()).await;
        Waiting(accepted.expect("a build comes in time").unwrap().0)
    }

    /// Whether a build waits that was not taken yet.
    pub(crate) async fn somebody_comes(&self) -> bool {
        let look = async { self.listener.accept().await.is_ok() };
        tokio::time::timeout(std::time::Duration::from_millis(1), look).await.is_ok()
    }
}

impl Waiting {
    /// Prints a line in the build's output, which goes on waiting.
    pub(crate) async fn print(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Lets it through.
    pub(crate) async fn pass(mut self) {
        self.print("ok").await;
    }

    /// Makes its step fail.
    pub(crate) async fn fail(mut self) {
        self.print("no").await;
    }

    /// Waits until it is cut off.
    pub(crate) async fn cut_off(mut self) {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(DEADLINE, self.0.read_to_end(&mut rest)).await;
        // Either sort of end will do.
        let _ = read.expect("the build is cut off in time");
    }
}
