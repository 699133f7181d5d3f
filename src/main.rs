//! The one binary: today the command line, over the same lanes that a window uses.

fn main() -> std::process::ExitCode {
    trimtab::cli::main()
}
