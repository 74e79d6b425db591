//! Writes the factors of wave K1 as code.

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var("OUT_DIR").expect("cargo says where output goes");
    std::fs::write(format!("{folder}/weeks.rs"), unroll::source(0.115, 12.0))
}
