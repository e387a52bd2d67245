//! The ids of topics as the metadata log in a folder has them.
//!
//! Must hold: what cannot be read to its end says nothing, since what follows may say otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use ottla_env::Disk;
use ottla_metadata::{Image, MetadataRecord};
use ottla_records::{batches, read_batch};
use ottla_storage::names::METADATA_DIR;
use ottla_wire::{Offset, TopicId, Uuid};

/// The topic of the metadata log, whose id is the same everywhere.
const METADATA: (&str, TopicId) =
    ("__cluster_metadata", TopicId(Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])));

/// The ids of the topics that the metadata log knows, in whichever folder that is.
pub(super) fn topic_ids(disk: &Disk, folders: &[String]) -> BTreeMap<String, TopicId> {
    let (name, id) = METADATA;
    let mut ids = BTreeMap::from([(name.to_owned(), id)]);
    let logs = folders.iter().map(|folder| Path::new(folder).join(METADATA_DIR));
    for log in logs.filter(|log| disk.exists(log)) {
        let Some(image) = image_of(disk, &log) else { continue };
        ids.extend(image.topics().iter().map(|topic| (topic.name.to_string(), topic.id)));
    }
    ids
}

/// The image that the newest snapshot and the segments behind it give.
fn image_of(disk: &Disk, dir: &Path) -> Option<Image> {
    let names: Vec<String> = disk.list(dir).ok()?.into_iter().map(|entry| entry.name).collect();
    let snapshot = names.iter().rfind(|name| name.ends_with(".checkpoint"));
    let mut image = Image::default();
    let mut end = Offset(0);
    if let Some(name) = snapshot {
        read(&mut image, disk.read(&dir.join(name)).ok()?.into(), Offset(0))?;
        end = Offset(name.split_once('-')?.0.parse().ok()?);
    }
    for name in names.iter().filter(|name| name.ends_with(".log")) {
        let behind = read(&mut image, disk.read(&dir.join(name)).ok()?.into(), end)?;
        end = end.max(behind);
    }
    Some(image)
}

/// Takes in the batches from `from` on; answers where they end.
fn read(image: &mut Image, bytes: Bytes, from: Offset) -> Option<Offset> {
    let mut end = from;
    for batch in batches(&bytes) {
        let batch = batch.ok()?;
        batch.verify_crc().ok()?;
        end = batch.last_offset().next();
        if batch.is_control() || batch.base_offset() < from {
            continue;
        }
        for record in read_batch(&bytes.slice_ref(batch.bytes())) {
            let record = record.ok()?;
            image.apply(record.offset, &MetadataRecord::decode(record.value?).ok()?);
        }
    }
    Some(end)
}
