// What recurrent layers do in one step beside the matrix product: the gates, all of them in one pass.
//
// Every step is two launches: the product of the states (D, N, H) with the weights, for both directions at
// once, and one of these kernels, in which a thread is one hidden unit of one sequence and direction. A
// sequence that has ended before the step writes zeros into the padding and keeps its state.
//
// The states that go from step to step are Accumulators; what is kept of every step is Real. The names are
// those of the formulas in __init__.py.

#include "common.cuh"

// 1 / (1 + exp(-x)) without overflow.
__device__ Accumulator sigmoid(Accumulator x) {
    const Accumulator half = 0.5;
    return half * tanh(half * x) + half;
}

// One hidden unit of one sequence and direction, in one step.
struct Unit {
    Index sequence, direction, unit, place;  // the place is that among the states (D, N, H)
    Index sequences, steps, directions, hidden, step, length;

    __device__ Unit(
        Index place, Index step, const Index* lengths, Index sequences, Index steps, Index directions,
        Index hidden
    )
        : place(place),
          sequences(sequences),
          steps(steps),
          directions(directions),
          hidden(hidden),
          step(step) {
        unit = place % hidden;
        sequence = place / hidden % sequences;
        direction = place / hidden / sequences;
        length = lengths[sequence];
    }

    __device__ bool takes_part() const { return step < length; }

    // When the step happens. Those beyond the length happen in the padding, from the first to the last.
    __device__ Index time() const { return direction && takes_part() ? length - 1 - step : step; }

    // The place among the states of all times (N, T, D, H).
    __device__ Index output() const { return output_at(time()); }

    __device__ Index output_at(Index time) const {
        return ((sequence * steps + time) * directions + direction) * hidden + unit;
    }

    // The place of gate `number` of `count` among those of all times (N, T, D, count * H).
    __device__ Index gate(int number, int count) const {
        return (((sequence * steps + time()) * directions + direction) * count + number) * hidden + unit;
    }

    // The same in the product of this step (D, N, count * H).
    __device__ Index product(int number, int count) const {
        return ((direction * sequences + sequence) * count + number) * hidden + unit;
    }

    // Where the states (N, T, D, H) hold that before this step, or -1 if it is that from the beginning.
    __device__ Index output_before() const {
        return step ? output_at(direction ? time() + 1 : time() - 1) : -1;
    }

    __device__ Accumulator state_before(const Real* states, const Real* first) const {
        return step ? states[output_before()] : first[place];
    }

    // The gradient by the state after this step, from the steps later: what those have carried over, and if
    // there was any also what came through its product.
    __device__ Accumulator gradient(const Accumulator* carried, const Accumulator* product) const {
        Accumulator total = carried[place];
        if (step + 1 < length) total += product[place];
        return total;
    }
};

extern "C" __global__ void rnn_step(
    const Real* p, const Accumulator* z, Accumulator* h, Real* y, bool is_tanh, const Index* lengths,
    Index step, Index sequences, Index steps, Index directions, Index hidden
) {
    for (Index i = first_index(); i < directions * sequences * hidden; i += index_step()) {
        const Unit unit(i, step, lengths, sequences, steps, directions, hidden);
        Accumulator state = 0;
        if (unit.takes_part()) {
            const Accumulator sum = Accumulator(p[unit.output()]) + z[i];
            state = is_tanh ? tanh(sum) : (sum < 0 ? Accumulator(0) : sum);
            h[i] = state;
        }
        y[unit.output()] = state;
    }
}

extern "C" __global__ void rnn_step_backward(
    const Real* gy, const Real* y, Accumulator* carried, const Accumulator* product, Accumulator* gz,
    Real* gp, bool is_tanh, const Index* lengths, Index step, Index sequences, Index steps, Index directions,
    Index hidden
) {
    for (Index i = first_index(); i < directions * sequences * hidden; i += index_step()) {
        const Unit unit(i, step, lengths, sequences, steps, directions, hidden);
        Accumulator gsum = 0;
        if (unit.takes_part()) {
            const Accumulator output = y[unit.output()];
            const Accumulator gstate = unit.gradient(carried, product) + Accumulator(gy[unit.output()]);
            gsum = is_tanh ? gstate * (1 - output * output) : (output > 0 ? gstate : Accumulator(0));
            carried[i] = 0;
        }
        gz[i] = gsum;
        gp[unit.output()] = gsum;
    }
}

extern "C" __global__ void lstm_step(
    const Real* p, const Accumulator* z, Accumulator* h, Accumulator* c, Real* y, Real* gates, Real* cells,
    const Index* lengths, Index step, Index sequences, Index steps, Index directions, Index hidden
) {
    for (Index index = first_index(); index < directions * sequences * hidden; index += index_step()) {
        const Unit unit(index, step, lengths, sequences, steps, directions, hidden);
        Accumulator i = 0, f = 0, g = 0, o = 0, cell = 0, state = 0;
        if (unit.takes_part()) {
            const auto sum = [&](int gate) {
                return Accumulator(p[unit.gate(gate, 4)]) + z[unit.product(gate, 4)];
            };
            i = sigmoid(sum(0));
            f = sigmoid(sum(1));
            g = tanh(sum(2));
            o = sigmoid(sum(3));
            cell = f * c[index] + i * g;
            state = o * tanh(cell);
            c[index] = cell;
            h[index] = state;
        }
        y[unit.output()] = state;
        if (gates == nullptr) continue;
        gates[unit.gate(0, 4)] = i;
        gates[unit.gate(1, 4)] = f;
        gates[unit.gate(2, 4)] = g;
        gates[unit.gate(3, 4)] = o;
        cells[unit.output()] = cell;
    }
}

extern "C" __global__ void lstm_step_backward(
    const Real* gy, const Real* gates, const Real* cells, const Real* c, Accumulator* carried,
    Accumulator* carried_cell, const Accumulator* product, Accumulator* gz, Real* gp, const Index* lengths,
    Index step, Index sequences, Index steps, Index directions, Index hidden
) {
    for (Index index = first_index(); index < directions * sequences * hidden; index += index_step()) {
        const Unit unit(index, step, lengths, sequences, steps, directions, hidden);
        Accumulator gsums[4] = {0, 0, 0, 0};
        if (unit.takes_part()) {
            const Accumulator i = gates[unit.gate(0, 4)], f = gates[unit.gate(1, 4)];
            const Accumulator g = gates[unit.gate(2, 4)], o = gates[unit.gate(3, 4)];
            const Accumulator squashed = tanh(Accumulator(cells[unit.output()]));
            const Accumulator gstate = unit.gradient(carried, product) + Accumulator(gy[unit.output()]);
            const Accumulator gcell = carried_cell[index] + gstate * o * (1 - squashed * squashed);
            gsums[0] = gcell * g * i * (1 - i);
            gsums[1] = gcell * unit.state_before(cells, c) * f * (1 - f);
            gsums[2] = gcell * i * (1 - g * g);
            gsums[3] = gstate * squashed * o * (1 - o);
            carried_cell[index] = gcell * f;
            carried[index] = 0;
        }
        for (int gate = 0; gate < 4; ++gate) {
            gz[unit.product(gate, 4)] = gsums[gate];
            gp[unit.gate(gate, 4)] = gsums[gate];
        }
    }
}

extern "C" __global__ void gru_step(
    const Real* p, const Accumulator* z, const Real* bias, Accumulator* h, Real* y, Real* gates,
    const Index* lengths, Index step, Index sequences, Index steps, Index directions, Index hidden
) {
    for (Index i = first_index(); i < directions * sequences * hidden; i += index_step()) {
        const Unit unit(i, step, lengths, sequences, steps, directions, hidden);
        Accumulator r = 0, u = 0, n = 0, q = 0, state = 0;
        if (unit.takes_part()) {
            const auto term = [&](int gate) { return Accumulator(p[unit.gate(gate, 3)]); };
            const auto sum = [&](int gate) {
                const Index place = (unit.direction * 3 + gate) * hidden + unit.unit;
                return z[unit.product(gate, 3)] + Accumulator(bias[place]);
            };
            r = sigmoid(term(0) + sum(0));
            u = sigmoid(term(1) + sum(1));
            q = sum(2);
            n = tanh(term(2) + r * q);
            state = (1 - u) * n + u * h[i];
            h[i] = state;
        }
        y[unit.output()] = state;
        if (gates == nullptr) continue;
        gates[unit.gate(0, 4)] = r;
        gates[unit.gate(1, 4)] = u;
        gates[unit.gate(2, 4)] = n;
        gates[unit.gate(3, 4)] = q;
    }
}

// `gproduct` (N, T, D, 3 * H) is the gradient by the product of state and weight, which for the candidate is
// not that by the input term.
extern "C" __global__ void gru_step_backward(
    const Real* gy, const Real* y, const Real* gates, const Real* h, Accumulator* carried,
    const Accumulator* product, Accumulator* gz, Real* gp, Real* gproduct, const Index* lengths, Index step,
    Index sequences, Index steps, Index directions, Index hidden
) {
    for (Index i = first_index(); i < directions * sequences * hidden; i += index_step()) {
        const Unit unit(i, step, lengths, sequences, steps, directions, hidden);
        Accumulator gsums[3] = {0, 0, 0}, r = 0;
        if (unit.takes_part()) {
            r = gates[unit.gate(0, 4)];
            const Accumulator u = gates[unit.gate(1, 4)], n = gates[unit.gate(2, 4)];
            const Accumulator q = gates[unit.gate(3, 4)];
            const Accumulator gstate = unit.gradient(carried, product) + Accumulator(gy[unit.output()]);
            gsums[1] = gstate * (unit.state_before(y, h) - n) * u * (1 - u);
            gsums[2] = gstate * (1 - u) * (1 - n * n);
            gsums[0] = gsums[2] * q * r * (1 - r);
            carried[i] = gstate * u;
        }
        for (int gate = 0; gate < 3; ++gate) {
            const Accumulator gsum = gate == 2 ? gsums[2] * r : gsums[gate];
            gp[unit.gate(gate, 3)] = gsums[gate];
            gproduct[unit.gate(gate, 3)] = gsum;
            gz[unit.product(gate, 3)] = gsum;
        }
    }
}

// The gradient by the states at the beginning, after all steps have been taken back.
extern "C" __global__ void finish_backward(
    const Accumulator* carried, const Accumulator* product, Real* gh, const Index* lengths, Index sequences,
    Index directions, Index hidden
) {
    for (Index i = first_index(); i < directions * sequences * hidden; i += index_step()) {
        Accumulator total = carried[i];
        if (lengths[i / hidden % sequences] > 0) total += product[i];
        gh[i] = total;
    }
}

// The state before each step, (D, N, T, H), from those after it, (N, T, D, H); 0 where there is no step.
extern "C" __global__ void states_before(
    const Real* states, const Real* first, Accumulator* before, const Index* lengths, Index sequences,
    Index steps, Index directions, Index hidden
) {
    const Index size = directions * sequences * hidden;
    for (Index i = first_index(); i < size * steps; i += index_step()) {
        const Index step = i / hidden % steps, rest = i / hidden / steps;
        const Unit unit(rest * hidden + i % hidden, step, lengths, sequences, steps, directions, hidden);
        const Index place = (rest * steps + unit.time()) * hidden + unit.unit;
        before[place] = unit.takes_part() ? unit.state_before(states, first) : Accumulator(0);
    }
}
