//! A site with planted bugs is crawled by a real Chromium, tickets go to a server that speaks as Linear does, pictures to
//! one that speaks S3, and workers are killed in between: what was promised for them is judged by what those servers saw.
#![cfg(target_os = "linux")]

#[path = "../../../../tests/shared/binary.rs"]
mod binary;
mod crawl;
mod inspect;
mod late;
mod limited;
mod linear;
mod many;
mod media;
mod mill;
mod moved;
mod outage;
mod politeness;
mod private;
mod recycle;
mod resume;
#[path = "../../../../tests/shared/s3.rs"]
mod s3;
mod sessions;
mod site;
mod tickets;
mod unruly;
mod wild;

#[path = "../../../../tests/it/api/contract.rs"]
mod contract;
#[expect(dead_code, reason = "these tests need less of a server than those of the API")]
#[path = "../../../../tests/it/api/server.rs"]
mod server;
#[expect(dead_code, unused_imports, reason = "these tests need less than the other integration tests")]
#[path = "../../../../tests/it/support/mod.rs"]
mod support;
