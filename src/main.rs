//! The one binary with its two doors: the command line, and without a command the window.

fn main() -> std::process::ExitCode {
    trimtab::cli::main(|store| Ok(trimtab::app::open(store)?))
}
