//! Labels: a whole number an image, -1 where it has none.

use crate::{Error, Result};
use tch::{Kind, Tensor};

/// That labels (any device) are int64, one for each of `images` images, and each -1 or one of `classes` classes.
pub(crate) fn check(labels: &Tensor, images: i64, classes: i64) -> Result<()> {
    check_for("the classes", labels, images, classes)
}

/// The same, where it is to be said whose classes they are.
pub(crate) fn check_for(whose: &str, labels: &Tensor, images: i64, classes: i64) -> Result<()> {
    if labels.size() != [images] {
        let rule = format!("one for each of the {images} images");
        return Err(Error::argument("labels", format!("{:?}", labels.size()), rule));
    }
    if labels.f_kind()? != Kind::Int64 {
        return Err(Error::argument(
            "labels",
            format!("{:?}", labels.f_kind()?),
            "labels are whole numbers, Kind::Int64",
        ));
    }
    if images == 0 {
        return Ok(());
    }
    for label in [labels.f_min()?.f_int64_value(&[])?, labels.f_max()?.f_int64_value(&[])?] {
        if !(-1..classes).contains(&label) {
            let known = match classes {
                0 => "there are no classes".to_string(),
                _ => format!("{whose} are 0 to {}", classes - 1),
            };
            return Err(Error::argument("label", label, format!("{known}, and -1 is no label")));
        }
    }
    Ok(())
}

/// How many classes there are.
pub(crate) fn classes_in_words(count: Option<i64>) -> String {
    match count {
        None => "no classes".to_string(),
        Some(1) => "1 class".to_string(),
        Some(count) => format!("{count} classes"),
    }
}

/// A label under a picture; no label has none.
pub(crate) fn caption(label: i64) -> String {
    if label < 0 { String::new() } else { label.to_string() }
}

/// The name of a label's class, or its number where the class has no name; no label has none.
pub(crate) fn name(label: i64, classes: &[String]) -> String {
    let class = usize::try_from(label).ok().and_then(|class| classes.get(class));
    class.cloned().unwrap_or_else(|| caption(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_argument_value_and_rule() {
        let said = |labels: Tensor, classes| check(&labels, 2, classes).unwrap_err().to_string();
        assert!(check(&Tensor::from_slice(&[-1i64, 1]), 2, 2).is_ok());
        assert_eq!(said(Tensor::from_slice(&[0i64]), 2), "labels = [1]: one for each of the 2 images");
        assert_eq!(
            said(Tensor::from_slice(&[0.7f32, 0.0]), 2),
            "labels = Float: labels are whole numbers, Kind::Int64"
        );
        assert_eq!(said(Tensor::from_slice(&[0i64, 2]), 2), "label = 2: the classes are 0 to 1, and -1 is no label");
        assert_eq!(said(Tensor::from_slice(&[-2i64, 0]), 2), "label = -2: the classes are 0 to 1, and -1 is no label");
        assert_eq!(said(Tensor::from_slice(&[0i64, 0]), 0), "label = 0: there are no classes, and -1 is no label");
        let error = check_for("the network's classes", &Tensor::from_slice(&[9i64]), 1, 3).unwrap_err().to_string();
        assert_eq!(error, "label = 9: the network's classes are 0 to 2, and -1 is no label");
    }
}
