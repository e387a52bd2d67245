//! The names on a disk: folders, and which changes of names a power cut takes back.
//!
//! Not here: the bytes of files. The file system journals names: the changes of one folder
//! become lasting in their order, a rename between two folders in both at once; folders do not
//! wait for each other, and syncing a file says nothing of its name.
//! Must hold: after `sync_dir` all earlier changes of that folder survive.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use ottla_env::DirEntry;

use crate::file::SharedFile;
use crate::prng::Prng;

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Name {
    File(SharedFile),
    Dir(u64),
}

impl Name {
    fn is(&self, other: &Name) -> bool {
        match (self, other) {
            (Name::File(one), Name::File(other)) => one.is(other),
            (Name::Dir(one), Name::Dir(other)) => one == other,
            _ => false,
        }
    }
}

pub(crate) struct Tree {
    dirs: BTreeMap<u64, Dir>,
    /// The changes of names that are not lasting, in order.
    journal: Vec<Vec<Edit>>,
    next: u64,
}

#[derive(Default)]
struct Dir {
    live: BTreeMap<String, Name>,
    lasting: BTreeMap<String, Name>,
}

/// One name of one folder is set or removed; a rename is two that come together.
#[derive(Clone)]
struct Edit {
    dir: u64,
    name: String,
    to: Option<Name>,
}

/// A path from the root on; a relative one begins there too.
pub(crate) fn components(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                names.push(name.to_str().ok_or(io::ErrorKind::InvalidFilename)?.to_owned());
            }
            Component::ParentDir => {
                names.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(names)
}

impl Tree {
    pub(crate) fn new() -> Tree {
        let dirs = BTreeMap::from([(ROOT, Dir::default())]);
        Tree { dirs, journal: Vec::new(), next: ROOT + 1 }
    }

    pub(crate) fn find(&self, path: &[String]) -> io::Result<Name> {
        let mut found = Name::Dir(ROOT);
        for name in path {
            let Name::Dir(dir) = found else { return Err(io::ErrorKind::NotADirectory.into()) };
            found = self.dir(dir).live.get(name).ok_or(io::ErrorKind::NotFound)?.clone();
        }
        Ok(found)
    }

    fn find_dir(&self, path: &[String]) -> io::Result<u64> {
        match self.find(path)? {
            Name::Dir(dir) => Ok(dir),
            Name::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn dir(&self, dir: u64) -> &Dir {
        self.dirs.get(&dir).expect("a folder that has a name is there")
    }

    /// The folder and the name in it.
    fn place(&self, path: &[String]) -> io::Result<(u64, String)> {
        let (name, parent) = path.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find_dir(parent)?, name.clone()))
    }

    fn change(&mut self, edits: Vec<Edit>) {
        for edit in &edits {
            let dir = self.dirs.get_mut(&edit.dir).expect("the caller has found it");
            edit.apply(&mut dir.live);
        }
        self.journal.push(edits);
    }

    pub(crate) fn insert(&mut self, path: &[String], name: Name) -> io::Result<()> {
        let (dir, place) = self.place(path)?;
        self.change(vec![Edit { dir, name: place, to: Some(name) }]);
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &[String]) -> io::Result<()> {
        let (dir, name) = self.place(path)?;
        self.change(vec![Edit { dir, name, to: None }]);
        Ok(())
    }

    pub(crate) fn create_dir_all(&mut self, path: &[String]) -> io::Result<()> {
        for depth in 1..=path.len() {
            let path = &path[..depth];
            match self.find(path) {
                Ok(Name::Dir(_)) => {}
                Ok(Name::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => {
                    let dir = self.next;
                    self.next += 1;
                    self.dirs.insert(dir, Dir::default());
                    self.insert(path, Name::Dir(dir))?;
                }
            }
        }
        Ok(())
    }

    /// Removes what is in the folder, name by name, and at last the folder's own name.
    pub(crate) fn remove_dir_all(&mut self, path: &[String]) -> io::Result<()> {
        let dir = self.find_dir(path)?;
        let names: Vec<(String, Name)> =
            self.dir(dir).live.iter().map(|(name, to)| (name.clone(), to.clone())).collect();
        for (name, to) in names {
            let mut path = path.to_vec();
            path.push(name);
            match to {
                Name::Dir(_) => self.remove_dir_all(&path)?,
                Name::File(_) => self.remove(&path)?,
            }
        }
        self.remove(path)
    }

    pub(crate) fn rename(&mut self, from: &[String], to: &[String]) -> io::Result<()> {
        let moved = self.find(from)?;
        let (from_dir, from_name) = self.place(from)?;
        let (to_dir, to_name) = self.place(to)?;
        match (&moved, self.find(to)) {
            (_, Ok(there)) if there.is(&moved) => return Ok(()),
            (Name::Dir(_), _) if to.starts_with(from) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            (Name::Dir(_), Ok(Name::Dir(there))) if !self.dir(there).live.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            (Name::Dir(_), Ok(Name::File(_))) => return Err(io::ErrorKind::NotADirectory.into()),
            (Name::File(_), Ok(Name::Dir(_))) => return Err(io::ErrorKind::IsADirectory.into()),
            _ => {}
        }
        self.change(vec![
            Edit { dir: from_dir, name: from_name, to: None },
            Edit { dir: to_dir, name: to_name, to: Some(moved) },
        ]);
        Ok(())
    }

    pub(crate) fn list(&self, path: &[String]) -> io::Result<Vec<DirEntry>> {
        let names = self.dir(self.find_dir(path)?).live.iter();
        let entry = |(name, to): (&String, &Name)| DirEntry {
            name: name.clone(),
            is_dir: matches!(to, Name::Dir(_)),
        };
        Ok(names.map(entry).collect())
    }

    pub(crate) fn files(&self, path: &[String]) -> Vec<(PathBuf, u64)> {
        let here: PathBuf = path.iter().fold(PathBuf::from("/"), |at, name| at.join(name));
        match self.find(path) {
            Ok(Name::File(file)) => vec![(here, file.content().len())],
            Ok(Name::Dir(dir)) => {
                let names = self.dir(dir).live.keys();
                let below =
                    |name: &String| self.files(&[path, std::slice::from_ref(name)].concat());
                names.flat_map(below).collect()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Makes the folder's changes last, with what came before them in folders that share a
    /// rename with it.
    pub(crate) fn sync_dir(&mut self, path: &[String]) -> io::Result<()> {
        let mut dirs = BTreeSet::from([self.find_dir(path)?]);
        let mut lasts = vec![false; self.journal.len()];
        for (index, edits) in self.journal.iter().enumerate().rev() {
            if edits.iter().any(|edit| dirs.contains(&edit.dir)) {
                dirs.extend(edits.iter().map(|edit| edit.dir));
                lasts[index] = true;
            }
        }
        self.settle(&lasts);
        Ok(())
    }

    /// Makes every name last, as the file system does by itself now and then.
    pub(crate) fn commit(&mut self) {
        self.settle(&vec![true; self.journal.len()]);
    }

    /// Makes every name and every byte of the disk last.
    pub(crate) fn sync_all(&mut self, path: &[String]) -> io::Result<()> {
        self.find_dir(path)?;
        self.settle(&vec![true; self.journal.len()]);
        for file in self.dirs.values().flat_map(|dir| dir.live.values()) {
            if let Name::File(file) = file {
                file.content().sync();
            }
        }
        Ok(())
    }

    /// The power is cut: of each folder's waiting changes the first few survive.
    pub(crate) fn crash(&mut self, prng: &mut Prng) {
        // Without chance in between, everything or nothing survives: the common cases.
        let odds = prng.below(4);
        let mut lost = BTreeSet::new();
        let mut lasts = Vec::new();
        for edits in &self.journal {
            let survives = match odds {
                0 => true,
                1 => false,
                _ => !prng.once_in(4),
            };
            let survives = survives && !edits.iter().any(|edit| lost.contains(&edit.dir));
            if !survives {
                lost.extend(edits.iter().map(|edit| edit.dir));
            }
            lasts.push(survives);
        }
        self.settle(&lasts);
        self.journal.clear();
        for dir in self.dirs.values_mut() {
            dir.live.clone_from(&dir.lasting);
        }
        self.collect();
        for file in self.dirs.values().flat_map(|dir| dir.live.values()) {
            if let Name::File(file) = file {
                file.content().crash(prng);
            }
        }
    }

    /// Takes the marked changes out of the journal and into the lasting names.
    fn settle(&mut self, lasts: &[bool]) {
        let mut waiting = Vec::new();
        for (edits, lasts) in std::mem::take(&mut self.journal).into_iter().zip(lasts) {
            if !lasts {
                waiting.push(edits);
                continue;
            }
            for edit in edits {
                if let Some(dir) = self.dirs.get_mut(&edit.dir) {
                    edit.apply(&mut dir.lasting);
                }
            }
        }
        self.journal = waiting;
        self.collect();
    }

    /// Forgets folders that no name and no waiting change leads to.
    fn collect(&mut self) {
        let mut reached = BTreeSet::new();
        let mut next = vec![ROOT];
        let journal = self.journal.iter().flatten();
        for edit in journal {
            next.push(edit.dir);
            next.extend(edit.to.as_ref().and_then(Name::as_dir));
        }
        while let Some(dir) = next.pop() {
            if let Some(found) = self.dirs.get(&dir)
                && reached.insert(dir)
            {
                let names = found.live.values().chain(found.lasting.values());
                next.extend(names.filter_map(Name::as_dir));
            }
        }
        self.dirs.retain(|dir, _| reached.contains(dir));
    }
}

impl Name {
    fn as_dir(&self) -> Option<u64> {
        match self {
            Name::Dir(dir) => Some(*dir),
            Name::File(_) => None,
        }
    }
}

impl Edit {
    fn apply(&self, names: &mut BTreeMap<String, Name>) {
        match &self.to {
            Some(to) => names.insert(self.name.clone(), to.clone()),
            None => names.remove(&self.name),
        };
    }
}

const ROOT: u64 = 0;
