//! Unpacks `sqlx-data.json` for sqlx's macros, so that the crate builds without a database. Must
//! never talk to one: `make sqlx-data` is the only thing that refreshes the file, and it says so
//! through `TIDEMILL_SQLX_LIVE`.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=sqlx-data.json");
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-env-changed=TIDEMILL_SQLX_LIVE");
    if env::var_os("TIDEMILL_SQLX_LIVE").is_some() {
        return Ok(());
    }
    let folder = Path::new(&env::var("OUT_DIR")?).join("sqlx");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let queries: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&fs::read_to_string("sqlx-data.json")?)?;
    for (hash, query) in queries {
        fs::write(folder.join(format!("query-{hash}.json")), serde_json::to_string(&query)?)?;
    }
    println!("cargo::rustc-env=SQLX_OFFLINE=true");
    println!("cargo::rustc-env=SQLX_OFFLINE_DIR={}", folder.display());
    Ok(())
}
