//! The machine that is tried: programs, files, and the time of its start.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// What a program did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; `None` if something else ended it.
    pub code: Option<i32>,
    /// Standard output, then standard error.
    pub said: String,
}

/// A program that runs until it is ended.
pub trait Running {
    /// Ends it at once, as Task Manager does.
    fn kill(&mut self);
}

/// A machine.
pub trait TriedMachine {
    /// Runs a program to its end.
    ///
    /// # Errors
    /// If it cannot be started.
    fn run(&mut self, program: &str, arguments: &[&str]) -> io::Result<Ran>;

    /// Starts irqlog, which goes on meanwhile.
    ///
    /// # Errors
    /// If it cannot be started.
    fn start_irqlog(&mut self, arguments: &[&str]) -> io::Result<Box<dyn Running>>;

    /// Runs irqlog to its end.
    ///
    /// # Errors
    /// If it cannot be started.
    fn irqlog(&mut self, arguments: &[&str]) -> io::Result<Ran>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether there is a file.
    fn exists(&self, path: &Path) -> bool;

    /// Replaces a file.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, path: &Path, text: &str) -> io::Result<()>;

    /// Makes a folder, with those above it.
    ///
    /// # Errors
    /// What the system says.
    fn make_folder(&mut self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&mut self, path: &Path) -> io::Result<()>;

    /// Seconds since 1970 at which the machine started; a later start has another number.
    fn boot(&self) -> u64;

    /// The folder of Windows.
    fn windows(&self) -> PathBuf;

    /// A folder for files of a moment.
    fn temporary(&self) -> PathBuf;

    /// Waits.
    fn sleep(&mut self, time: Duration);
}

/// The machine that runs this.
pub struct ThisMachine {
    irqlog: PathBuf,
    folder: PathBuf,
}

impl ThisMachine {
    /// Programs run in `folder`, that of the package; `irqlog` is the program that is tried.
    pub const fn new(irqlog: PathBuf, folder: PathBuf) -> Self {
        Self { irqlog, folder }
    }

    fn ran(&self, mut command: Command) -> io::Result<Ran> {
        let output = command.current_dir(&self.folder).stdin(Stdio::null()).output()?;
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(Ran { code: output.status.code(), said: said.replace("\r\n", "\n") })
    }
}

impl Running for Child {
    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = Self::kill(self);
        let _ = self.wait();
    }
}

impl TriedMachine for ThisMachine {
    fn run(&mut self, program: &str, arguments: &[&str]) -> io::Result<Ran> {
        let mut command = Command::new(program);
        command.args(arguments);
        self.ran(command)
    }

    fn start_irqlog(&mut self, arguments: &[&str]) -> io::Result<Box<dyn Running>> {
        let mut command = Command::new(&self.irqlog);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Box::new(command.current_dir(&self.folder).spawn()?))
    }

    fn irqlog(&mut self, arguments: &[&str]) -> io::Result<Ran> {
        let mut command = Command::new(&self.irqlog);
        command.args(arguments);
        self.ran(command)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn write(&mut self, path: &Path, text: &str) -> io::Result<()> {
        // Whole or not at all: the machine may crash meanwhile.
        let beside = path.with_extension("new");
        let file = fs::File::create(&beside)?;
        io::Write::write_all(&mut &file, text.as_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, path)
    }

    fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(verbatim(path))
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(verbatim(path))
    }

    fn boot(&self) -> u64 {
        boot()
    }

    fn windows(&self) -> PathBuf {
        std::env::var_os("SystemRoot").map_or_else(|| PathBuf::from(r"C:\Windows"), PathBuf::from)
    }

    fn temporary(&self) -> PathBuf {
        std::env::temp_dir()
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A path that may be longer than MAX_PATH.
fn verbatim(path: &Path) -> PathBuf {
    if cfg!(windows) { PathBuf::from(format!(r"\\?\{}", path.display())) } else { path.to_owned() }
}

/// Now, less the time that the machine has been running. Set the clock between two calls, and they differ.
#[cfg(windows)]
fn boot() -> u64 {
    // SAFETY: it takes nothing (`GetTickCount64`, Win32 documentation).
    let up = unsafe { windows_sys::Win32::System::SystemInformation::GetTickCount64() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(up / 1000)
}

#[cfg(not(windows))]
fn boot() -> u64 {
    0
}
