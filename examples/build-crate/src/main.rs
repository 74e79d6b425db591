//! Prints the tides of a station, and when its mill can grind. Reads nothing but its arguments.

mod arguments;
mod report;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => {
            print!("{}", report::write(&arguments));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{}", usage::text());
            ExitCode::from(2)
        }
    }
}
