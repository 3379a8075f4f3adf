//! all-MiniLM-L6-v2 once more, from the same weights and by another path: plain loops over
//! numbers, written from the paper (Devlin et al. 2018) and the model's card, without candle.

use std::{collections::HashMap, fs, path::Path};

use serde_json::Value;

const WIDTH: usize = 384;
const HEADS: usize = 12;
const LAYERS: usize = 6;
const EPSILON: f32 = 1e-12;

pub(crate) struct Reference {
    tensors: HashMap<String, Vec<f32>>,
}

/// One vector per token.
type Rows = Vec<Vec<f32>>;

impl Reference {
    pub(crate) fn load(models: &Path) -> Self {
        let bytes = fs::read(models.join("all-minilm-l6-v2/model.safetensors")).unwrap();
        let floats = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        Self { tensors: tensors(&bytes).map(|(name, data)| (name, floats(data))).collect() }
    }

    pub(crate) fn embed(&self, ids: &[usize]) -> Vec<f32> {
        let mut rows = self.embeddings(ids);
        for layer in 0..LAYERS {
            let layer = format!("encoder.layer.{layer}");
            let attended = self.attention(&layer, &rows);
            let dense = self.dense(&format!("{layer}.attention.output.dense"), &attended);
            rows = self.norm(&format!("{layer}.attention.output.LayerNorm"), add(rows, dense));
            let mut inner = self.dense(&format!("{layer}.intermediate.dense"), &rows);
            inner.iter_mut().flatten().for_each(|x| *x = gelu(*x));
            let dense = self.dense(&format!("{layer}.output.dense"), &inner);
            rows = self.norm(&format!("{layer}.output.LayerNorm"), add(rows, dense));
        }
        let mean: Vec<f32> =
            (0..WIDTH).map(|i| rows.iter().map(|row| row[i]).sum::<f32>() / ids.len() as f32).collect();
        let length = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
        mean.into_iter().map(|x| x / length).collect()
    }

    fn embeddings(&self, ids: &[usize]) -> Rows {
        let row = |name: &str, i: usize| &self.tensors[&format!("embeddings.{name}.weight")][i * WIDTH..][..WIDTH];
        let rows = ids.iter().enumerate().map(|(place, id)| {
            let parts =
                [row("word_embeddings", *id), row("position_embeddings", place), row("token_type_embeddings", 0)];
            (0..WIDTH).map(|i| parts.iter().map(|part| part[i]).sum()).collect()
        });
        self.norm("embeddings.LayerNorm", rows.collect())
    }

    fn attention(&self, layer: &str, rows: &Rows) -> Rows {
        let project = |name: &str| self.dense(&format!("{layer}.attention.self.{name}"), rows);
        let (queries, keys, values) = (project("query"), project("key"), project("value"));
        let size = WIDTH / HEADS;
        let attend = |query: &Vec<f32>| -> Vec<f32> {
            (0..HEADS)
                .flat_map(|head| {
                    let part = head * size..(head + 1) * size;
                    let scores =
                        keys.iter().map(|key| dot(&query[part.clone()], &key[part.clone()]) / (size as f32).sqrt());
                    let weights = softmax(scores.collect());
                    part.map(|i| weights.iter().zip(&values).map(|(weight, value)| weight * value[i]).sum())
                        .collect::<Vec<_>>()
                })
                .collect()
        };
        queries.iter().map(attend).collect()
    }

    fn dense(&self, name: &str, rows: &Rows) -> Rows {
        let (weight, bias) = (&self.tensors[&format!("{name}.weight")], &self.tensors[&format!("{name}.bias")]);
        let apply = |row: &Vec<f32>| weight.chunks(row.len()).zip(bias).map(|(w, b)| dot(w, row) + b).collect();
        rows.iter().map(apply).collect()
    }

    fn norm(&self, name: &str, rows: Rows) -> Rows {
        let (weight, bias) = (&self.tensors[&format!("{name}.weight")], &self.tensors[&format!("{name}.bias")]);
        let apply = |row: Vec<f32>| -> Vec<f32> {
            let n = row.len() as f32;
            let mean = row.iter().sum::<f32>() / n;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / n;
            let scaled = row.iter().map(|x| (x - mean) / (variance + EPSILON).sqrt());
            scaled.zip(weight).zip(bias).map(|((x, w), b)| x * w + b).collect()
        };
        rows.into_iter().map(apply).collect()
    }
}

/// The tensors of 32-bit floats in a safetensors file: the length of a JSON header in eight bytes,
/// the header with each tensor's place, the data.
fn tensors(file: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
    let header: HashMap<String, Value> = serde_json::from_slice(header).unwrap();
    header.into_iter().filter(|(_, tensor)| tensor["dtype"] == "F32").map(|(name, tensor)| {
        let [begin, end] = serde_json::from_value(tensor["data_offsets"].clone()).unwrap();
        (name, &data[begin..end])
    })
}

fn add(left: Rows, right: Rows) -> Rows {
    let add_row = |(left, right): (Vec<f32>, Vec<f32>)| left.into_iter().zip(right).map(|(a, b)| a + b).collect();
    left.into_iter().zip(right).map(add_row).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn softmax(scores: Vec<f32>) -> Vec<f32> {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// `x Φ(x)`, with Φ by the error function of Abramowitz and Stegun 7.1.26 (error under 1.5e-7).
fn gelu(x: f32) -> f32 {
    let z = f64::from(x) / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z.abs());
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let polynomial = series.into_iter().fold(0.0, |sum, factor| sum * t + factor) * t;
    let erf = (1.0 - polynomial * (-z * z).exp()).copysign(z);
    (f64::from(x) * 0.5 * (1.0 + erf)) as f32
}
