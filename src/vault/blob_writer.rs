//! A file on its way to the storage, piece by piece. A task of its own sends it, so that a caller that is cut off in
//! the middle of a request to the storage must never leave parts behind that nobody knows of.

use bytes::Bytes;
use object_store::buffered::BufWriter;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::{Result, VaultError};

/// The most parts on their way at once.
const PARTS_ON_THEIR_WAY: usize = 2;

/// A file on its way to the storage. Dropped before it is finished, it takes back what was sent.
#[derive(Debug)]
pub struct BlobWriter {
    pieces: mpsc::Sender<Piece>,
    /// `None` after its outcome was answered.
    task: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    End,
}

impl BlobWriter {
    /// Sends through `writer`; needs a runtime.
    pub(super) fn new(writer: BufWriter) -> Self {
        let (pieces, arriving) = mpsc::channel(1);
        let task = tokio::spawn(send(writer.with_max_concurrency(PARTS_ON_THEIR_WAY), arriving));
        Self { pieces, task: Some(task) }
    }

    /// Sends the next bytes.
    ///
    /// # Errors
    /// When the storage fails, for these bytes or for earlier ones.
    pub async fn put(&mut self, bytes: Bytes) -> Result<()> {
        match self.pieces.send(Piece::Bytes(bytes)).await {
            Ok(()) => Ok(()),
            Err(_) => self.outcome().await,
        }
    }

    /// Makes the file readable, in place of an earlier one at its path. It is finished also when the caller no
    /// longer waits.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn finish(mut self) -> Result<()> {
        // If the task is over, its outcome says why.
        let _ = self.pieces.send(Piece::End).await;
        self.outcome().await
    }

    async fn outcome(&mut self) -> Result<()> {
        let Some(task) = self.task.take() else {
            return Err(VaultError::Storage("The file was given up after an error.".into()));
        };
        task.await.map_err(|error| VaultError::Storage(error.to_string()))?
    }
}

/// Sends all pieces; without an end, all of them are taken back.
async fn send(mut writer: BufWriter, mut arriving: mpsc::Receiver<Piece>) -> Result<()> {
    while let Some(piece) = arriving.recv().await {
        match piece {
            Piece::Bytes(bytes) => {
                if let Err(error) = writer.put(bytes).await {
                    take_back(writer).await;
                    return Err(error.into());
                }
            }
            Piece::End => {
                return writer.shutdown().await.map_err(|error| VaultError::Storage(error.to_string()));
            }
        }
    }
    take_back(writer).await;
    Ok(())
}

/// Removes the parts that were sent. It waits for those on their way first: a storage may take in a part after the
/// removal of its upload, and nobody would remove that one.
async fn take_back(writer: BufWriter) {
    let mut writer = writer.with_max_concurrency(0);
    for _ in 0..=PARTS_ON_THEIR_WAY {
        // One that failed is no longer on its way.
        if writer.put(Bytes::new()).await.is_ok() {
            break;
        }
    }
    if let Err(error) = writer.abort().await {
        tracing::warn!(%error, "parts of a file that was given up could not be removed from the storage");
    }
}
