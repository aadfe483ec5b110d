//! Starts the jam server, and ends it on a signal.

use clap::Parser;
use jam_server::{Args, Running};

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).init();
    let running = match Running::start(args).await {
        Ok(running) => running,
        Err(error) => {
            eprintln!("jam-server: cannot listen: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    println!("http://{}", running.address);
    ended().await;
    if running.shut_down().await {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}

/// Waits for a signal to end.
async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{signal, SignalKind};
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be awaited");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = tokio::signal::ctrl_c().await;
}
