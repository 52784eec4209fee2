//! Folders with all that real ones bring.

use super::Dataset;
use super::fixtures::Folder;
use image::codecs::jpeg::JpegEncoder;
use image::{
    DynamicImage, ExtendedColorType, GrayImage, ImageBuffer, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage, Rgba,
    RgbaImage,
};
use std::io::Cursor;
use tch::Tensor;

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encoded(&image.into(), ImageFormat::Png)
}

/// A colour image that is another for another `which`.
fn colours(width: u32, height: u32, which: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 30 + which * 40) as u8, (y * 30) as u8, ((x + 2 * y) * 10 + which * 17) as u8])
    })
}

/// The bytes of a data set's image, C x H x W.
fn bytes(dataset: &Dataset, file: &str) -> Vec<u8> {
    let index = dataset.files.iter().position(|name| &**name == file).unwrap();
    let image = ((dataset.image(index).unwrap() + 1.0) * 127.5).round();
    Vec::<f32>::try_from(image.view([-1])).unwrap().into_iter().map(|byte| byte as u8).collect()
}

fn planes(image: &RgbImage) -> Vec<u8> {
    (0..3).flat_map(|channel| image.pixels().map(move |pixel| pixel.0[channel])).collect()
}

/// A PNG with a palette of two colours, black and one other: header, palette, one row after another, end. By hand, since
/// the image crate writes none.
fn palette_png(colour: [u8; 3], side: u32) -> Vec<u8> {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(name);
        crc.update(data);
        [&(data.len() as u32).to_be_bytes()[..], name, data, &crc.sum().to_be_bytes()].concat()
    };
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[8, 3, 0, 0, 0]].concat();
    let rows: Vec<u8> = (0..side).flat_map(|_| [vec![0], vec![1; side as usize]].concat()).collect();
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &rows).unwrap();
    [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(b"IHDR", &header),
        &chunk(b"PLTE", &[[0, 0, 0], colour].concat()),
        &chunk(b"IDAT", &packed.finish().unwrap()),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

/// A JPEG whose EXIF says how it is to be turned: one entry, tag 0x0112, in little-endian TIFF.
fn turned_jpeg(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    let tiff = [&b"II*\0\x08\0\0\0"[..], &[1, 0], &[0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0], &[0, 0, 0, 0]]
        .concat();
    let exif = [&b"Exif\0\0"[..], &tiff].concat();
    let length = ((exif.len() + 2) as u16).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

fn files(dataset: &Dataset, what: &str) -> Vec<String> {
    let troubles = dataset.report().unwrap().troubles();
    troubles.into_iter().find(|(words, _)| words == what).map(|(_, files)| files).unwrap_or_default()
}

/// All twelve, in one folder of two classes.
fn trouble_folder(name: &str) -> Folder {
    let folder = Folder::new(name);
    let plain = png(colours(8, 8, 0));
    folder.write("a/plain.png", &plain);
    folder.write("a/grey.png", &png(GrayImage::from_fn(8, 8, |x, y| Luma([(x * y) as u8]))));
    folder.write("a/opacity.png", &png(RgbaImage::from_fn(8, 8, |x, _| Rgba([200, 0, 0, (x * 36) as u8]))));
    folder.write("a/palette.png", &palette_png([10, 200, 30], 8));
    folder.write("a/turned.jpg", &turned_jpeg(&colours(8, 8, 3), 6));
    folder.write("a/wide.png", &png(colours(16, 8, 1)));
    folder.write("a/small.png", &png(colours(4, 4, 2)));
    folder.write("a/cut.png", &plain[..plain.len() * 6 / 10]);
    folder.write("a/text.png", b"this is no picture");
    folder.write("a/copy.png", &plain);
    let deep =
        ImageBuffer::<Rgb<u16>, Vec<u16>>::from_fn(8, 8, |x, y| Rgb([x as u16 * 8_000, y as u16 * 8_000, 65_535]));
    folder.write("a/deep.png", &png(DynamicImage::ImageRgb16(deep)));
    folder.write("a/LOUD.PNG", &png(colours(8, 8, 5)));
    folder.write("a/notes.txt", b"not an image, and not meant as one");
    folder.write(".hidden.png", b"passed over");
    std::fs::create_dir_all(folder.path().join("empty/inside")).unwrap();
    folder
}

#[test]
fn each_of_the_twelve_troubles_is_reported_by_name() {
    let folder = trouble_folder("troubles");
    let set = Dataset::folder(folder.path()).image_size(8).load().unwrap();
    assert_eq!((set.shape(), set.classes()), (vec![10, 3, 8, 8], vec!["a".to_string()]));
    let said = |what: &str| files(&set, what);
    assert_eq!(said("grey, made colour"), ["a/grey.png"]);
    assert_eq!(said("see-through, laid over the background"), ["a/opacity.png"]);
    assert_eq!(said("palettes, made plain"), ["a/palette.png"]);
    assert_eq!(said("turned as their EXIF says"), ["a/turned.jpg"]);
    assert_eq!(said("of another size, fitted"), ["a/small.png", "a/wide.png"]);
    assert_eq!(said("of another ratio of sides, fitted"), ["a/wide.png"]);
    assert_eq!(said("unreadable, left out"), ["a/cut.png (is cut short)", "a/text.png (is no image)"]);
    assert_eq!(said("folders without an image, left out"), ["empty/inside", "empty"]);
    assert_eq!(said("one class only"), ["a"]);
    assert_eq!(said("16 bits a channel, made 8"), ["a/deep.png"]);
    assert_eq!(said("upper-case endings, read all the same"), ["a/LOUD.PNG"]);
    assert_eq!(said("no images by their endings, left out"), ["a/notes.txt"]);
    let report = set.report().unwrap();
    let text = format!("{report:?}");
    let named = |pair: (usize, usize)| [pair.0, pair.1].map(|index| set.files[index].to_string());
    assert_eq!(report.duplicates().into_iter().map(named).collect::<Vec<_>>(), [["a/plain.png", "a/copy.png"]]);
    assert!(text.contains("a/plain.png is a/copy.png"), "{text}");
    assert_eq!(report.unreadable().len(), 2);
    assert_eq!(set.clean().unwrap().apply().unwrap().files.iter().filter(|file| file.contains("plain")).count(), 0);
}

#[test]
fn strict_names_every_file_that_cannot_be_read() {
    let folder = trouble_folder("strict");
    let error = Dataset::folder(folder.path()).image_size(8).strict().load().unwrap_err().to_string();
    let path = folder.path().display();
    assert_eq!(
        error,
        format!("path = {path}: 2 files cannot be read: a/cut.png (is cut short), a/text.png (is no image)")
    );
}

#[test]
fn pixels_are_those_of_the_files() {
    let folder = trouble_folder("pixels");
    let set = Dataset::folder(folder.path()).image_size(8).background(0, 0, 255).load().unwrap();
    assert_eq!(bytes(&set, "a/plain.png"), planes(&colours(8, 8, 0)));
    assert_eq!(bytes(&set, "a/LOUD.PNG"), planes(&colours(8, 8, 5)));
    // The middle 8 of 16 columns.
    let wide = colours(16, 8, 1);
    assert_eq!(bytes(&set, "a/wide.png"), planes(&image::imageops::crop_imm(&wide, 4, 0, 8, 8).to_image()));
    assert_eq!(bytes(&set, "a/palette.png"), planes(&RgbImage::from_pixel(8, 8, Rgb([10, 200, 30]))));
    // 8000/257 = 31.1 and so on.
    assert_eq!(bytes(&set, "a/deep.png")[..8], [0, 31, 62, 93, 125, 156, 187, 218]);
    // a 200 + (1 - a) 0 of red, (1 - a) 255 of blue, with a = 36 x / 255.
    let see_through = bytes(&set, "a/opacity.png");
    assert_eq!(see_through[..8], [0, 28, 56, 85, 113, 141, 169, 198]);
    assert_eq!(see_through[128..136], [255, 219, 183, 147, 111, 75, 39, 3]);
    // Orientation 6 is turned by a quarter clockwise to be seen: the pixel at (y, x) comes from (7 - x, y).
    let plain = colours(8, 8, 3);
    let turned = bytes(&set, "a/turned.jpg");
    for (y, x) in [(0, 0), (2, 5), (7, 1), (6, 6)] {
        let expected = plain.get_pixel(y, 7 - x).0;
        let found = [0, 1, 2].map(|channel| turned[(channel * 64 + y * 8 + x) as usize]);
        // JPEG halves the colours' resolution.
        let close = (0..3).all(|channel| found[channel].abs_diff(expected[channel]) < 40);
        assert!(close, "{y} {x}: {found:?} and not {expected:?}");
    }
}

#[test]
fn all_eight_orientations_of_exif_are_followed() {
    // A quadrant is white, the others are not: which one it is after turning, by the EXIF standard (table of tag 274).
    let image = RgbImage::from_fn(16, 16, |x, y| {
        Rgb(if x < 8 && y < 8 {
            [255; 3]
        } else if y < 8 {
            [170; 3]
        } else {
            [0; 3]
        })
    });
    let folder = Folder::new("exif");
    for orientation in 1..=8 {
        folder.write(&format!("{orientation}.jpg"), &turned_jpeg(&image, orientation));
    }
    let set = Dataset::folder(folder.path()).load().unwrap();
    // The white corner, and the grey one beside it: (row, column).
    let expected = [
        [(0, 0), (0, 1)],
        [(0, 1), (0, 0)],
        [(1, 1), (1, 0)],
        [(1, 0), (1, 1)],
        [(0, 0), (1, 0)],
        [(0, 1), (1, 1)],
        [(1, 1), (0, 1)],
        [(1, 0), (0, 0)],
    ];
    for (orientation, corners) in expected.into_iter().enumerate() {
        let pixels = bytes(&set, &format!("{}.jpg", orientation + 1));
        let at = |(row, column): (usize, usize)| pixels[(4 + 8 * row) * 16 + 4 + 8 * column];
        assert!(at(corners[0]) > 250 && at(corners[1]).abs_diff(170) < 5, "orientation {}", orientation + 1);
    }
    assert_eq!(files(&set, "turned as their EXIF says").len(), 7);
}

#[test]
fn every_format_is_read_and_a_file_that_is_cut_short_is_not() {
    let folder = Folder::new("formats");
    // Noise, so that six tenths of a file are not all of it.
    let mut state = 1u32;
    let noise = RgbImage::from_fn(32, 32, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    });
    let formats = [
        ("png", ImageFormat::Png),
        ("jpg", ImageFormat::Jpeg),
        ("gif", ImageFormat::Gif),
        ("bmp", ImageFormat::Bmp),
        ("webp", ImageFormat::WebP),
        ("tif", ImageFormat::Tiff),
        ("tga", ImageFormat::Tga),
        ("qoi", ImageFormat::Qoi),
        ("ppm", ImageFormat::Pnm),
        ("ico", ImageFormat::Ico),
        ("ff", ImageFormat::Farbfeld),
    ];
    for (ending, format) in formats {
        let image = DynamicImage::from(noise.clone());
        // Farbfeld is written with 16 bits and an opacity alone, ICO with an opacity.
        let image = match format {
            ImageFormat::Farbfeld => image.into_rgba16().into(),
            ImageFormat::Ico => image.into_rgba8().into(),
            _ => image,
        };
        let whole = encoded(&image, format);
        folder.write(&format!("whole.{ending}"), &whole);
        folder.write(&format!("cut.{ending}"), &whole[..whole.len() * 6 / 10]);
    }
    folder.write("photo.avif", b"\0\0\0\x1cftypavif\0\0\0\0");
    folder.write("text.tga", b"no image, whatever its ending says");
    let set = Dataset::folder(folder.path()).load().unwrap();
    assert_eq!((set.shape(), set.classes().len()), (vec![11, 3, 32, 32], 0));
    assert_eq!(set.labels(), Tensor::from_slice(&[-1i64; 11]));
    for lossless in
        ["png", "bmp", "webp", "tif", "tga", "qoi", "ppm", "ico", "ff"].map(|ending| format!("whole.{ending}"))
    {
        let lossless = lossless.as_str();
        assert_eq!(bytes(&set, lossless), planes(&noise), "{lossless}");
    }
    let unreadable = set.report().unwrap().unreadable();
    let names: Vec<&str> = unreadable.iter().map(|file| file.split(' ').next().unwrap()).collect();
    let cut = ["bmp", "ff", "gif", "ico", "jpg", "png", "ppm", "qoi", "tga", "tif", "webp"];
    let cut = cut.map(|ending| format!("cut.{ending}"));
    let cut: Vec<&str> = cut.iter().map(String::as_str).collect();
    assert_eq!(names, [&cut[..], &["photo.avif", "text.tga"]].concat(), "{unreadable:?}");
    assert!(unreadable[..10].iter().all(|file| file.ends_with(" (is cut short)")), "{unreadable:?}");
    assert!(unreadable[10].starts_with("cut.webp (is broken: "), "{unreadable:?}");
    assert_eq!(
        unreadable[11],
        "photo.avif (is of a format that is not decoded here: PNG, JPEG, GIF, BMP, WebP, TIFF, TGA, QOI, PNM, ICO and \
         farbfeld are)"
    );
}

#[test]
fn folders_are_classes_in_the_order_of_their_names() {
    let folder = Folder::new("classes");
    for (file, which) in [("cats/1.png", 1), ("cats/more/2.png", 2), ("ants/3.png", 3), ("4.png", 4)] {
        folder.write(file, &png(colours(6, 6, which)));
    }
    let set = Dataset::folder(folder.path()).load().unwrap();
    assert_eq!(set.classes(), ["ants", "cats"]);
    assert_eq!(
        set.files.iter().map(|file| &**file).collect::<Vec<_>>(),
        ["4.png", "ants/3.png", "cats/1.png", "cats/more/2.png"]
    );
    assert_eq!(Vec::<i64>::try_from(set.labels()).unwrap(), [-1, 0, 1, 1]);
    assert_eq!(files(&set, "beside the classes' folders, without a label"), ["4.png"]);
    let disk = Dataset::folder(folder.path()).on_disk().load().unwrap();
    assert_eq!(disk.images(), set.images());
    assert_eq!(disk.batch(3, 1).unwrap().images, set.batch(3, 1).unwrap().images);
}

#[test]
fn folders_of_folders_are_named() {
    let folder = Folder::new("nest");
    for (file, which) in [("train/a/1.png", 1), ("train/b/2.png", 2), ("train/b/3.png", 3), ("test/a/4.png", 4)] {
        folder.write(file, &png(colours(6, 6, which)));
    }
    let only = "classes that hold images only in folders, which are no classes";
    let load = || Dataset::folder(folder.path()).load().unwrap();
    assert_eq!(load().classes(), ["test", "train"]);
    assert_eq!(files(&load(), only), ["test (a)", "train (a, b)"]);
    let inner = Dataset::folder(folder.path().join("train")).load().unwrap();
    assert_eq!((inner.classes(), files(&inner, only)), (vec!["a".to_string(), "b".to_string()], vec![]));
    // An image of its own makes a folder a class.
    folder.write("test/5.png", &png(colours(6, 6, 5)));
    assert_eq!(files(&load(), only), ["train (a, b)"]);
}

#[test]
fn a_part_tells_of_its_own_files() {
    let folder = Folder::new("part");
    (0..10).for_each(|which| folder.write(&format!("a/{which}.png"), &png(colours(8, 4, which))));
    folder.write("a/broken.png", b"no picture");
    let set = Dataset::folder(folder.path()).image_size(8).load().unwrap();
    let (train, test) = set.split(0.7, 0).unwrap();
    let fitted = "of another ratio of sides, fitted";
    assert_eq!((files(&set, fitted).len(), files(&train, fitted).len(), files(&test, fitted).len()), (10, 7, 3));
    let of_test: Vec<String> = test.files.iter().map(ToString::to_string).collect();
    assert_eq!(files(&test, fitted), of_test);
    let unreadable = set.report().unwrap().unreadable();
    assert_eq!(files(&set, "unreadable, left out"), unreadable);
    assert_eq!(files(&test, "unreadable, left out (of the whole folder)"), unreadable);
    assert_eq!(files(&test, "one class only"), ["a"]);
}

#[test]
fn the_whole_is_padded_or_stretched_where_that_is_asked_for() {
    let folder = Folder::new("fit");
    folder.write("wide.png", &png(RgbImage::from_pixel(16, 8, Rgb([100, 100, 100]))));
    let rows = |set: Dataset| -> Vec<u8> { (0..8).map(|row| bytes(&set, "wide.png")[8 * row]).collect() };
    let load = || Dataset::folder(folder.path()).image_size(8).background(7, 7, 7);
    assert_eq!(rows(load().pad().load().unwrap()), [7, 7, 100, 100, 100, 100, 7, 7]);
    assert_eq!(rows(load().stretch().load().unwrap()), [100; 8]);
    assert_eq!(rows(load().crop().load().unwrap()), [100; 8]);
    // Rec. 709: 0.2126 x 250 + 0.7152 x 100 + 0.0722 x 50 = 128.28.
    folder.write("wide.png", &png(RgbImage::from_pixel(16, 8, Rgb([250, 100, 50]))));
    let grey = load().channels(1).load().unwrap();
    assert_eq!((grey.shape(), bytes(&grey, "wide.png")[0]), (vec![1, 1, 8, 8], 128));
    assert_eq!(files(&grey, "colour, made grey"), ["wide.png"]);
}

// PIL.Image.resize((4, 3), BILINEAR) of the same bytes, Pillow 13.0.
#[test]
fn resizing_is_that_of_pillow() {
    let folder = Folder::new("pillow");
    folder.write("ramp.png", &png(GrayImage::from_fn(8, 6, |x, y| Luma([((8 * y + x) * 37 % 256) as u8]))));
    let set = Dataset::folder(folder.path()).image_size((3, 4)).stretch().load().unwrap();
    let expected = [55u8, 122, 164, 84, 126, 165, 99, 82, 182, 109, 87, 148];
    let found = bytes(&set, "ramp.png");
    assert!(found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 1), "{found:?}");
}

#[test]
fn all_grey_files_make_one_channel() {
    let folder = Folder::new("grey");
    folder.write("a.png", &png(GrayImage::from_pixel(5, 4, Luma([9]))));
    folder.write("b.png", &png(GrayImage::from_pixel(5, 4, Luma([8]))));
    let set = Dataset::folder(folder.path()).load().unwrap();
    assert_eq!((set.shape(), set.report().unwrap().troubles()), (vec![2, 1, 4, 5], vec![]));
}

#[test]
fn refusals_name_argument_value_and_rule() {
    let folder = Folder::new("refusals");
    let path = folder.path().display().to_string();
    let said = |set: crate::Result<Dataset>| set.unwrap_err().to_string();
    assert_eq!(said(Dataset::folder(folder.path()).load()), format!("path = {path}: holds no image"));
    folder.write("a.png", b"");
    assert_eq!(
        said(Dataset::folder(folder.path()).load()),
        format!("path = {path}: 1 file cannot be read: a.png (is no image)")
    );
    folder.write("b.png", &png(colours(4, 6, 0)));
    folder.write("c.png", &png(colours(8, 6, 0)));
    let rule = "the files are of several sizes, 6 x 4 to 6 x 8: choose one, such as .image_size(64)";
    assert_eq!(said(Dataset::folder(folder.path()).load()), format!("image_size = none: {rule}"));
    assert_eq!(said(Dataset::folder(folder.path()).channels(4).load()), "channels = 4: 1, grey, or 3, colour");
    assert_eq!(
        said(Dataset::folder(folder.path()).image_size(0).load()),
        "size = 0 x 0: each side is from 1 to 16384 pixels"
    );
}

/// The folder that NOISEBOOK_EMOJI names.
#[test]
#[ignore = "slow: reads a real folder of 1,412 emoji and says how long that takes"]
fn a_real_folder() {
    let Some(folder) = std::env::var_os("NOISEBOOK_EMOJI") else {
        println!("NOISEBOOK_EMOJI names no folder: nothing was measured");
        return;
    };
    let began = std::time::Instant::now();
    let emoji = Dataset::folder(folder).image_size(32).load().unwrap();
    println!("{:?} in {:.2} s\n{:?}", emoji.shape(), began.elapsed().as_secs_f64(), emoji.report().unwrap());
    assert_eq!((emoji.len(), emoji.classes().len()), (1_412, 7));
}
