# object_store 0.14.2: BufWriter::abort() answers Ok and aborts nothing while its multipart upload is being made, so an upload that the storage makes a moment later stays for ever; output seen: "put: abort Ok(()), 1 left" and "write: abort Ok(()), 1 left", beside "made: abort Ok(()), 0 left"
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "abort"
version = "0.0.0"
edition = "2024"
[dependencies]
async-trait = "=0.1.92"
futures = "=0.3.34"
object_store = { version = "=0.14.2", default-features = false, features = ["tokio"] }
tokio = { version = "=1.54.1", features = ["io-util", "macros", "rt", "time"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
//! A storage that needs 50 ms to make an upload, and makes it also when nobody waits any longer, as a server does.
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::time::Duration;

use futures::stream::BoxStream;
use object_store::buffered::BufWriter;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::*;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

#[derive(Debug, Default)]
struct Storage(InMemory, Arc<AtomicI32>);

impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
}

#[derive(Debug)]
struct Upload(Arc<AtomicI32>);

#[async_trait::async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, _: PutPayload) -> UploadPart {
        Box::pin(async { Ok(()) })
    }
    async fn complete(&mut self) -> Result<PutResult> {
        self.0.fetch_sub(1, SeqCst);
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }
    async fn abort(&mut self) -> Result<()> {
        self.0.fetch_sub(1, SeqCst);
        Ok(())
    }
}

#[async_trait::async_trait]
impl ObjectStore for Storage {
    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let open = self.1.clone();
        let server = tokio::spawn(async move {
            sleep(Duration::from_millis(50)).await;
            open.fetch_add(1, SeqCst);
            open
        });
        Ok(Box::new(Upload(server.await.unwrap())))
    }
    async fn put_opts(&self, at: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.0.put_opts(at, bytes, how).await
    }
    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        self.0.get_opts(at, how).await
    }
    fn delete_stream(&self, all: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(all)
    }
    fn list(&self, under: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(under)
    }
    async fn list_with_delimiter(&self, under: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(under).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, how).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for (name, patience) in [("put", 10), ("write", 10), ("made", 5_000)] {
        let store = Arc::new(Storage::default());
        let mut writer = BufWriter::with_capacity(store.clone(), Path::from("a"), 16);
        let bytes = vec![7; 64];
        let patience = Duration::from_millis(patience);
        match name {
            "write" => drop(timeout(patience, writer.write_all(&bytes)).await),
            _ => drop(timeout(patience, writer.put(bytes.into())).await),
        }
        let answer = writer.abort().await;
        sleep(Duration::from_millis(200)).await;
        println!("{name}: abort {answer:?}, {} left", store.1.load(SeqCst));
    }
}
RUST
seen=$(cd "$folder" && cargo run --quiet)
printf '%s\n' "$seen"
[ "$seen" = "put: abort Ok(()), 1 left
write: abort Ok(()), 1 left
made: abort Ok(()), 0 left" ]
