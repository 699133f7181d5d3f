//! An exported file as the second engine can read it: what rten does not know is written in other operators that compute the
//! same.

use crate::runtime::onnx::{AttributeProto, GraphProto, MICROSOFT, ModelProto, NodeProto, TensorProto};

/// The file with an RNN as a GRU and 4-bit weights as floats; as it is where there is none of these, or where they are not as
/// [`super::to_onnx`] writes them.
pub(super) fn readable(bytes: &[u8]) -> Vec<u8> {
    let is_foreign = |node: &NodeProto| node.op_type() == "RNN" || node.domain() == MICROSOFT;
    let Ok(ModelProto {
        graph: Some(mut graph), ..
    }) = ModelProto::from_bytes(bytes)
    else {
        return bytes.to_vec();
    };
    if !graph.node.iter().any(is_foreign) {
        return bytes.to_vec();
    }
    for mut node in std::mem::take(&mut graph.node) {
        let is_rewritten = match (node.domain(), node.op_type()) {
            ("", "RNN") => hold_gates(&mut node, &mut graph),
            (MICROSOFT, "MatMulNBits") => widen(&mut node, &mut graph),
            _ => Some(()),
        };
        if is_rewritten.is_none() {
            return bytes.to_vec();
        }
        graph.node.push(node);
    }
    ModelProto::new(graph).to_bytes()
}

/// Whether the file puts values on grids.
pub(super) fn has_grids(bytes: &[u8]) -> bool {
    let file = ModelProto::from_bytes(bytes).ok().and_then(|file| file.graph);
    file.is_some_and(|graph| graph.node.iter().any(|node| node.op_type().contains("QuantizeLinear")))
}

/// Makes a `Gemm` of a `MatMulNBits`.
fn widen(node: &mut NodeProto, graph: &mut GraphProto) -> Option<()> {
    let size = |name: &str| {
        let attribute = node.attribute.iter().find(|attribute| attribute.name() == name)?;
        usize::try_from(attribute.i()).ok()
    };
    let (inputs, outputs, group) = (size("K")?, size("N")?, size("block_size")?);
    let [input, codes, scales, _, _, bias] = &node.input[..] else {
        return None;
    };
    let constant = |name: &str| graph.initializer.iter().find(|tensor| tensor.name() == name);
    let codes = constant(codes)?.raw_data.as_deref()?;
    let scales = constant(scales)?.raw_data.as_deref()?;
    let scales: Vec<f32> = scales
        .as_chunks()
        .0
        .iter()
        .map(|&four| f32::from_le_bytes(four))
        .collect();
    if inputs == 0 || group < 2 || group % 2 != 0 {
        return None;
    }
    let groups = inputs.div_ceil(group);
    let mut weights = Vec::new();
    for (row, scales) in codes.chunks(groups * group / 2).zip(scales.chunks(groups)) {
        let codes = row.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        let numbers = codes.zip(scales.iter().flat_map(|scale| std::iter::repeat_n(scale, group)));
        weights.extend(
            numbers
                .take(inputs)
                .map(|(code, scale)| (f32::from(code) - 8.0) * scale),
        );
    }
    if weights.len() != inputs * outputs {
        return None;
    }
    let name = format!("{}_wide", node.name());
    let gemm = NodeProto::new("Gemm", node.name(), &[input, &name, bias], &[&node.output[0]]);
    *node = gemm.with(AttributeProto::int("transB", 1));
    graph
        .initializer
        .push(TensorProto::from_f32(&name, &[outputs, inputs], &weights));
    Some(())
}

/// Makes a GRU of an RNN, whose gates are held open, and adds what makes its weights: with an update gate of
/// `sigmoid(-HELD) = 0` and a reset gate of `sigmoid(HELD) = 1` its state is `tanh(W x + b + U h + c)`. None where they are not as
/// [`super::to_onnx`] writes them.
fn hold_gates(node: &mut NodeProto, graph: &mut GraphProto) -> Option<()> {
    const HELD: f32 = 100.0;
    let [_, weight, state, bias] = &node.input[..] else {
        return None;
    };
    let (weight, state, bias) = (weight.clone(), state.clone(), bias.clone());
    let dims = |name: &str| {
        let widened = graph
            .node
            .iter()
            .find(|node| node.output.first().is_some_and(|output| output == name));
        let name = widened.and_then(|node| node.input.first()).map_or(name, String::as_str);
        let tensor = graph.initializer.iter().find(|tensor| tensor.name() == name)?;
        let sizes: Option<Vec<usize>> = tensor.dims.iter().map(|&size| usize::try_from(size).ok()).collect();
        <[usize; 3]>::try_from(sizes?).ok()
    };
    let ([directions, units, features], [_, _, states]) = (dims(&weight)?, dims(&state)?);
    let along = |axis| AttributeProto::int("axis", axis);
    let label = node.name().to_owned();
    let name = |part: &str| format!("{label}_{part}");
    for (place, part, depth) in [(1, &weight, features), (2, &state, states)] {
        let [gates, joined] = [name(&format!("gates{place}")), name(&format!("joined{place}"))];
        let zeros = vec![0.0; directions * 2 * units * depth];
        graph
            .initializer
            .push(TensorProto::from_f32(&gates, &[directions, 2 * units, depth], &zeros));
        graph
            .node
            .push(NodeProto::new("Concat", &joined, &[&gates, part], &[&joined]).with(along(1)));
        node.input[place] = joined;
    }
    // Of update, reset and new: first those of the input, then those of the state.
    let held = [vec![-HELD; units], vec![HELD; units]].concat().repeat(directions);
    let [gates, none, axes, joined] = ["held", "none", "axes", "biases"].map(name);
    graph
        .initializer
        .push(TensorProto::from_f32(&gates, &[directions, 2 * units], &held));
    graph.initializer.push(TensorProto::from_f32(
        &none,
        &[directions, 2 * units],
        &vec![0.0; held.len()],
    ));
    graph.initializer.push(TensorProto::from_i64(&axes, &[1], &[1]));
    let halves = [(0, "input"), (units, "state")].map(|(start, part)| {
        let [from, to, half] = ["from", "to", "half"].map(|end| name(&format!("{part}_{end}")));
        graph
            .initializer
            .push(TensorProto::from_i64(&from, &[1], &[start as i64]));
        graph
            .initializer
            .push(TensorProto::from_i64(&to, &[1], &[(start + units) as i64]));
        graph
            .node
            .push(NodeProto::new("Slice", &half, &[&bias, &from, &to, &axes], &[&half]));
        half
    });
    let parts = [gates.as_str(), &halves[0], &none, &halves[1]];
    graph
        .node
        .push(NodeProto::new("Concat", &joined, &parts, &[&joined]).with(along(1)));
    node.input[3] = joined;
    node.op_type = Some("GRU".to_owned());
    node.attribute.push(AttributeProto::int("linear_before_reset", 1));
    Some(())
}
