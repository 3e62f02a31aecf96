use flagstone_image::erofs::read::Image;
use flagstone_image::verity::{HashTree, Parameters, verify};
use flagstone_tree::{Content, Inode, Kind, Metadata, Mtime, Tree};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::compare::assert_same;
use crate::reader::{assert_same_tree, bytes};
use crate::sample::{BUILD_TIME, META, compressors, image, noise};
use crate::tool::{Mount, fsck};

/// One step in growing a tree; a step that does not apply is left out.
#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, Inode),
    Link(Vec<u8>, Vec<u8>),
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        4 => select(vec![b"a".to_vec(), b"b".to_vec(), b"-".to_vec(), b"\xff".to_vec()]),
        1 => vec(1_u8..=255, 1..=255),
    ];
    vec(name, 1..5).prop_map(|names| names.join(&b'/'))
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let mtime = prop_oneof![
        Just(BUILD_TIME),
        (any::<u32>(), 0..1_000_000_000_u32)
            .prop_map(|(seconds, nanoseconds)| Mtime { seconds: seconds.into(), nanoseconds }),
    ];
    let id = || prop_oneof![Just(0), 0..65_537_u32, 0..u32::MAX];
    (0..=0o7777_u16, id(), id(), mtime).prop_map(|(mode, uid, gid, mtime)| Metadata {
        mode,
        uid,
        gid,
        mtime,
    })
}

fn content() -> impl Strategy<Value = Content> {
    let length = || prop_oneof![0..200_usize, 3900..4200_usize, 8000..9000_usize, 0..50_000_usize];
    prop_oneof![
        (length(), 0..3_u32).prop_map(|(length, seed)| Content::from(noise(length, seed))),
        (vec((0..90_000_u64, 1..5000_usize), 0..4), 0..200_000_u64).prop_map(|(pieces, extra)| {
            let mut end = 0;
            let extents = pieces.into_iter().map(|(gap, length)| {
                let offset = end + gap;
                end = offset + length as u64;
                (offset, bytes::Bytes::from(noise(length, 9)))
            });
            let extents = extents.collect();
            Content::sparse(end + extra, extents).unwrap()
        }),
    ]
}

fn inode() -> impl Strategy<Value = Inode> {
    let kind = prop_oneof![
        5 => content().prop_map(Kind::File),
        3 => Just(Kind::Directory([].into())),
        2 => vec(1..=255_u8, 1..4095).prop_map(|target| Kind::Symlink(target.into())),
        1 => (0..4096_u32, 0..1_u32 << 20).prop_map(|(major, minor)| Kind::CharDevice { major, minor }),
        1 => Just(Kind::Fifo),
    ];
    let name = vec(1..=255_u8, 1..240).prop_map(|name| [b"trusted.", &name[..]].concat());
    let value = prop_oneof![4 => 0..100_usize, 1 => 0..6000_usize];
    let xattrs = btree_map(name, value.prop_map(|length| noise(length, 4)), 0..3);
    (metadata(), kind, xattrs).prop_map(|(metadata, kind, xattrs)| Inode { metadata, kind, xattrs })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (path(), inode()).prop_map(|(path, inode)| Step::Put(path, inode)),
        1 => (path(), path()).prop_map(|(from, to)| Step::Link(from, to)),
    ]
}

fn grow(steps: Vec<Step>) -> Tree {
    let mut tree = Tree::new(META);
    for step in steps {
        // Names may be `.`, or hold slashes; parents may be files: those steps come to nothing.
        let _ = match step {
            Step::Put(path, inode) => tree.put(path, META, inode).map(|_| ()),
            Step::Link(from, to) => tree.resolve(from).and_then(|(_, id)| tree.hard_link(to, id)),
        };
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn random_trees_come_back_as_they_were(steps in vec(step(), 0..60)) {
        let tree = grow(steps);
        let (file, _) = image(&tree);
        fsck(file.path());
        if let Some(mount) = Mount::new(file.path()) {
            assert_same(&tree, mount.path());
        }
    }

    #[test]
    fn random_trees_are_read_as_they_were_written(
        steps in vec(step(), 0..60),
        options in select(compressors()),
    ) {
        let tree = grow(steps);
        let image = bytes(&tree, &options);
        assert_same_tree(&tree, &Image::open(image.as_slice()).unwrap().tree(1 << 30).unwrap());
        let image = bytes(&tree, &crate::sample::options());
        assert_same_tree(&tree, &Image::open(image.as_slice()).unwrap().tree(1 << 30).unwrap());
    }

    #[test]
    fn whatever_an_image_holds_is_no_panic(
        changes in vec((0..40_000_usize, any::<u8>()), 1..8),
    ) {
        let mut tree = Tree::new(META);
        tree.insert("noise", Inode::file(META, noise(5000, 1))).unwrap();
        tree.insert("text", Inode::file(META, crate::sample::text(50_000, 1))).unwrap();
        let mut image = bytes(&tree, &compressors()[0]);
        image[1024 + 8] &= !1;
        for (at, byte) in changes {
            if let Some(old) = image.get_mut(at) {
                *old = byte;
            }
        }
        let _ = Image::open(image.as_slice()).and_then(|image| image.tree(1 << 24));
    }

    #[test]
    fn whatever_a_hash_device_holds_only_the_true_data_passes(
        changes in vec((0..4 * 4096_usize, any::<u8>()), 0..8),
        length in 0..5 * 4096_usize,
        data_change in (0..200 * 4096_usize, 0..=255_u8),
    ) {
        let mut data = noise(200 * 4096, 1);
        let tree = HashTree::of(&data, Parameters::new(*b"salt", [0; 16]).unwrap()).unwrap();
        let mut device = tree.bytes.clone();
        device.truncate(length);
        for (at, byte) in changes {
            if let Some(old) = device.get_mut(at) {
                *old = byte;
            }
        }
        data[data_change.0] ^= data_change.1;
        if verify(data.as_slice(), &device, &tree.root_hash).is_ok() {
            prop_assert_eq!(data_change.1, 0);
        }
    }
}
