//! Creates a file that exists whole, or not at all.
//!
//! The bytes go to the disk under a temporary name in the same folder. Then the file gets its name, unless another file
//! has it. So a log that was saved before is never changed, whatever fails, and a save that fails leaves no file.

use std::{
    fs::{self, File, OpenOptions},
    io::{Error, ErrorKind, Result, Write},
    path::{Path, PathBuf},
};

/// Fails as [`create`] would if the name is taken or its folder does not exist; the caller asks before long work.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if the name is taken; otherwise the errors of looking into the folder.
pub fn check(target: &Path) -> Result<()> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(taken()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = folder_of(target);
            if folder.is_dir() { Ok(()) } else { Err(Error::new(ErrorKind::NotFound, "the folder does not exist")) }
        }
        Err(error) => Err(error),
    }
}

/// Creates a file whose contents `write` writes; they are on the disk when this returns.
///
/// `write` also gives the length of the file; bytes behind it are cut off.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if the name is taken; otherwise the error of `write`, of syncing, or of renaming. Then no
/// file is left.
pub fn create<T, E: From<Error>>(
    target: &Path,
    write: impl FnOnce(&mut File) -> std::result::Result<(T, u64), E>,
) -> std::result::Result<T, E> {
    check(target)?;
    let (mut file, temporary) = Temporary::create(folder_of(target))?;
    let (done, length) = write(&mut file)?;
    file.set_len(length)?;
    file.sync_all()?;
    // Windows renames no file that is open.
    drop(file);
    temporary.rename(target)?;
    sync_folder(folder_of(target));
    Ok(done)
}

/// Gives a file these bytes, or leaves it as it was.
///
/// # Errors
/// Those of writing and of renaming.
pub fn replace(target: &Path, bytes: &[u8]) -> Result<()> {
    let (mut file, temporary) = Temporary::create(folder_of(target))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Windows renames no file that is open.
    drop(file);
    fs::rename(&temporary.0, target)?;
    sync_folder(folder_of(target));
    Ok(())
}

/// Creates a folder with the files that `write` puts into it.
///
/// # Errors
/// As [`create`]. No folder is left then.
pub fn create_folder<T, E: From<Error>>(
    target: &Path,
    write: impl FnOnce(&Path) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    check(target)?;
    let temporary = TemporaryFolder::create(folder_of(target))?;
    let done = write(&temporary.0)?;
    for file in fs::read_dir(&temporary.0)? {
        File::options().write(true).open(file?.path())?.sync_all()?;
    }
    sync_folder(&temporary.0);
    // Nobody else makes a folder of that name by accident: an empty one would be replaced.
    check(target)?;
    fs::rename(&temporary.0, target)?;
    sync_folder(folder_of(target));
    Ok(done)
}

/// A folder under a name of its own; gone with its files when this is dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn create(folder: &Path) -> Result<Self> {
        for number in 0..1000 {
            let path = folder.join(format!(".irqlog-{}-{number}.tmp", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::AlreadyExists, "no temporary name is free in the folder"))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // After a rename nothing is there.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn taken() -> Error {
    Error::new(ErrorKind::AlreadyExists, "the file exists, and irqlog replaces no saved log; name another file")
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file under a temporary name; dropping this deletes it.
struct Temporary(PathBuf);

impl Temporary {
    fn create(folder: &Path) -> Result<(File, Self)> {
        // A name may be taken, by a file that an earlier process of the same number left.
        for number in 0..1000 {
            let path = folder.join(format!(".irqlog-{}-{number}.tmp", std::process::id()));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, Self(path))),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::AlreadyExists, "no temporary name is free in the folder"))
    }

    /// Gives the file its name, unless another file has it.
    fn rename(self, target: &Path) -> Result<()> {
        // A hard link fails if the name is taken, where a rename would replace the file; the drop removes the first name.
        match fs::hard_link(&self.0, target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(taken()),
            Err(_) => self.rename_onto_claim(target),
            linked => linked,
        }
    }

    /// For file systems without hard links, such as FAT: creates an empty file of that name, which the rename replaces.
    fn rename_onto_claim(self, target: &Path) -> Result<()> {
        match OpenOptions::new().write(true).create_new(true).open(target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(taken()),
            claimed => drop(claimed?),
        }
        fs::rename(&self.0, target).inspect_err(|_| {
            let _ = fs::remove_file(target);
        })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename, the temporary name no longer exists, and this fails.
        let _ = fs::remove_file(&self.0);
    }
}

/// Puts the new name onto the disk. If the file system cannot sync a folder, it writes the name later by itself.
#[cfg(unix)]
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// NTFS keeps names in its journal, and a user who may only add files to a folder cannot flush it.
#[cfg(not(unix))]
const fn sync_folder(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(target: &Path, bytes: &[u8]) -> Result<()> {
        super::create(target, |file| file.write_all(bytes).map(|()| ((), bytes.len() as u64)))
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("irqlog-new-file-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_file_is_whole_and_alone() {
        let folder = folder("whole");
        create(&folder.join("log"), b"bytes").unwrap();
        assert_eq!(
            (fs::read(folder.join("log")).unwrap(), names(&folder)),
            (b"bytes".to_vec(), vec!["log".to_owned()])
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn nothing_is_replaced_by_either_way() {
        let folder = folder("replaced");
        let old = folder.join("old");
        fs::write(&old, b"old").unwrap();
        assert_eq!(create(&old, b"new").unwrap_err().kind(), ErrorKind::AlreadyExists);
        // Another process may create the file after the check.
        let (_, temporary) = Temporary::create(&folder).unwrap();
        assert_eq!(temporary.rename(&old).unwrap_err().kind(), ErrorKind::AlreadyExists);
        let (_, temporary) = Temporary::create(&folder).unwrap();
        assert_eq!(temporary.rename_onto_claim(&old).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&old).unwrap(), names(&folder)), (b"old".to_vec(), vec!["old".to_owned()]));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = folder("replace");
        for bytes in [&b"first, and longer"[..], b"second"] {
            replace(&folder.join("cursor"), bytes).unwrap();
            assert_eq!(fs::read(folder.join("cursor")).unwrap(), bytes);
        }
        assert_eq!(names(&folder), ["cursor"]);
        assert!(replace(&folder.join("none/cursor"), b"").is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_system_without_links_does_too() {
        let folder = folder("claim");
        let (mut file, temporary) = Temporary::create(&folder).unwrap();
        file.write_all(b"bytes").unwrap();
        drop(file);
        temporary.rename_onto_claim(&folder.join("log")).unwrap();
        assert_eq!(
            (fs::read(folder.join("log")).unwrap(), names(&folder)),
            (b"bytes".to_vec(), vec!["log".to_owned()])
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let folder = folder("fails");
        let long = folder.join("x".repeat(300));
        assert!(create(&long, b"bytes").is_err());
        assert!(create(&folder.join("none/log"), b"bytes").is_err());
        assert_eq!(names(&folder), Vec::<String>::new());
        fs::remove_dir_all(folder).unwrap();
    }
}
