//! Patterns as in a shell: `*` stands for any text, `?` for one character, `[a-z]` for one of those.

/// Whether the whole text is as the pattern says.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stands, and where what it stands for may end.
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(length) = one(&pattern[p..], text[t]) {
            p += length;
            t += 1;
        } else if let Some((at, end)) = &mut star {
            *end += 1;
            (p, t) = (*at + 1, *end);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// The length of the pattern's first element, if it stands for this character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match set(pattern, c) {
            Some((length, found)) => found.then_some(length),
            // An open bracket without a closing one is itself.
            None => (c == '[').then_some(1),
        },
        &other => (other == c).then_some(1),
    }
}

/// The length of a set in brackets, and whether the character is in it.
fn set(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some('^' | '!'));
    let first = if negated { 2 } else { 1 };
    // A bracket that comes first is in the set.
    let end = (first + 1..pattern.len()).find(|&at| pattern[at] == ']')?;
    let mut members = &pattern[first..end];
    let mut found = false;
    while let Some((&low, rest)) = members.split_first() {
        if let ['-', high, rest @ ..] = rest {
            found |= (low..=*high).contains(&c);
            members = rest;
        } else {
            found |= low == c;
            members = rest;
        }
    }
    Some((end + 1, found != negated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("*", ""),
            ("", ""),
            ("a*", "a\nb"),
            ("*let*=*", "let x = 1"),
            ("l?t*", "let x"),
            ("[a-c]x[!0-9]", "bxy"),
            ("[]]", "]"),
            ("a[", "a["),
            ("*é?", "aé€"),
            ("**a**b", "xaxxab"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "ab"), ("?", ""), ("a*b", "abc"), ("[a-c]", "d"), ("[^a]", "a"), ("A", "a"), ("", "a"), ("a[", "a")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_stars_is_quick() {
        let begin = std::time::Instant::now();
        assert!(!matches(&("*a".repeat(1_000) + "b"), &"a".repeat(10_000)));
        assert!(begin.elapsed().as_secs() < 5);
    }
}
