//! Writes the factors of wave O1 as code.

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var("OUT_DIR").expect("cargo says where output goes");
    std::fs::write(format!("{folder}/weeks.rs"), unroll::source(0.187, 9.0))
}
