//! x
#![allow(warnings)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
use noisebook::prelude::*;
use noisebook::show::{Chart, Grid};

const MEMBERS: usize = 34;

const TIES: [(usize, usize); 78] = [
    (0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 6), (0, 7), (0, 8), (0, 10), (0, 11), (0, 12),
    (0, 13), (0, 17), (0, 19), (0, 21), (0, 31), (1, 2), (1, 3), (1, 7), (1, 13), (1, 17),
    (1, 19), (1, 21), (1, 30), (2, 3), (2, 7), (2, 8), (2, 9), (2, 13), (2, 27), (2, 28), (2, 32),
    (3, 7), (3, 12), (3, 13), (4, 6), (4, 10), (5, 6), (5, 10), (5, 16), (6, 16), (8, 30),
    (8, 32), (8, 33), (9, 33), (13, 33), (14, 32), (14, 33), (15, 32), (15, 33), (18, 32),
    (18, 33), (19, 33), (20, 32), (20, 33), (22, 32), (22, 33), (23, 25), (23, 27), (23, 29),
    (23, 32), (23, 33), (24, 25), (24, 27), (24, 31), (25, 31), (26, 29), (26, 33), (27, 33),
    (28, 31), (28, 33), (29, 32), (29, 33), (30, 32), (30, 33), (31, 32), (31, 33), (32, 33),
];

fn friends() -> Vec<Vec<usize>> {
    let mut friends = vec![vec![]; MEMBERS];
    for (a, b) in TIES {
        friends[a].push(b);
        friends[b].push(a);
    }
    friends
}

fn threshold(first: &[usize], theta: f64) -> Vec<Vec<bool>> {
    let friends = friends();
    let mut now = vec![false; MEMBERS];
    for &member in first {
        now[member] = true;
    }
    let mut history = vec![now.clone()];
    loop {
        let next: Vec<bool> = (0..MEMBERS).map(|m| {
            let adopters = friends[m].iter().filter(|&&friend| now[friend]).count();
            now[m] || adopters as f64 / friends[m].len() as f64 >= theta
        }).collect();
        if next == now {
            return history;
        }
        history.push(next.clone());
        now = next;
    }
}

fn count(members: &[bool]) -> usize {
    members.iter().filter(|&&member| member).count()
}

;
#[derive(Clone, Debug)]
struct Die(u64);

impl Die {
    fn number(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E3779B97F4A7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 // in [0, 1)
    }

    fn happens(&mut self, chance: f64) -> bool {
        self.number() < chance
    }
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

fn cascade(ties: &[(usize, usize)], members: usize, first: &[usize], mut kept: impl FnMut() -> bool)
    -> usize {
    let kept: Vec<(usize, usize)> = ties.iter().copied().filter(|_| kept()).collect();
    let mut reached = vec![false; members];
    for &member in first {
        reached[member] = true;
    }
    for _ in 0..members {
        for &(a, b) in &kept {
            let either = reached[a] || reached[b];
            (reached[a], reached[b]) = (either, either);
        }
    }
    count(&reached)
}

fn spread(first: &[usize], p: f64, runs: usize) -> (f64, f64) {
    let mut die = Die(3);
    let sizes = (0..runs).map(|_| cascade(&TIES, MEMBERS, first, || die.happens(p)) as f64);
    mean_and_error(&sizes.collect::<Vec<_>>())
}

fn laplacian(nodes: usize, ties: &[(usize, usize)]) -> Tensor {
    let mut rows = vec![0.0; nodes * nodes];
    for &(a, b) in ties {
        rows[a * nodes + a] += 1.0;
        rows[b * nodes + b] += 1.0;
        rows[a * nodes + b] -= 1.0;
        rows[b * nodes + a] -= 1.0;
    }
    Tensor::from_slice(&rows).view([nodes as i64, nodes as i64])
}

;
for theta in [0.25, 0.34] {
    let sizes: Vec<usize> = threshold(&[32, 33], theta).iter().map(|now| count(now)).collect();
    println!("theta {theta}: {sizes:?}");
}

;
let beta = 0.05;
let mut chances = vec![0.0; MEMBERS];
chances[0] = 1.0;
let mut recursion = vec![1.0];
for _ in 0..60 {
    let escape = |m: usize| friends()[m].iter().map(|&j| 1.0 - beta * chances[j]).product::<f64>();
    chances = (0..MEMBERS).map(|m| chances[m] + (1.0 - chances[m]) * (1.0 - escape(m))).collect();
    recursion.push(chances.iter().sum::<f64>());
}
println!("half are infected after {} steps", recursion.iter().position(|&infected| infected >= 17.0).unwrap());
let time: Vec<f64> = (0..=60).map(f64::from).collect();
Chart::new("Half the chance: it takes 12 steps, not 7").x_label("step").y_label("infected members")
    .line("beta = 0.05", &time, &recursion)

;
let alone: Vec<f64> = (0..MEMBERS).map(|m| spread(&[m], 0.1, 2_000).0).collect();
let first = (0..MEMBERS).max_by(|&a, &b| alone[a].total_cmp(&alone[b])).unwrap();
let beside: Vec<f64> = (0..MEMBERS).map(|m| spread(&[first, m], 0.1, 2_000).0).collect();
let second = (0..MEMBERS).max_by(|&a, &b| beside[a].total_cmp(&beside[b])).unwrap();
println!("best alone: {first}, reaching {:.2}", alone[first]);
println!("best beside: {second}, reaching {:.2} together", beside[second]);
let next = spread(&[32, 33], 0.1, 2_000).0;
println!("the two with 17 and 12 ties: {next:.2}");

;
let mut pairs = vec![];
for a in 0..MEMBERS {
    for b in 0..a {
        pairs.push((count(threshold(&[a, b], 0.5).last().unwrap()), b, a));
    }
}
pairs.sort();
println!("best pairs at theta 0.5: {:?}", pairs.iter().rev().take(3).collect::<Vec<_>>());
println!("pairs that reach more than 20: {}", pairs.iter().filter(|pair| pair.0 > 20).count());

;
let mut grid = vec![];
for (row, column) in (0..8).flat_map(|row| (0..8).map(move |column| (row, column))) {
    if column < 7 { grid.push((8 * row + column, 8 * row + column + 1)); }
    if row < 7 { grid.push((8 * row + column, 8 * row + column + 8)); }
}
let images = Dataset::digits()?.images();
let kernel = (laplacian(64, &grid) * -30.0).linalg_matrix_exp();
let blurred = images.to_kind(Kind::Double).view([-1, 64]).matmul(&kernel);
let noised = Schedule::cosine(1_000)?.noise(&images).at([999])?.images().view([-1, 64]);
fn spread_over(axis: i64, x: &Tensor) -> f64 {
    x.std_dim([axis].as_slice(), true, false).mean(Kind::Double).double_value(&[])
}

for (name, x) in [("blurred", &blurred), ("noised", &noised)] {
    println!("{name}: over digits {:.4}, over the pixels of one {:.4}", spread_over(0, x), spread_over(1, x));
}
Grid::new(&blurred.narrow(0, 0, 16).view([16, 1, 8, 8]))?.columns(8).title("Sixteen digits, blurred to the end")
;
Ok(())
}
