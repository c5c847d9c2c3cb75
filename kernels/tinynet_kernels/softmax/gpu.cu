// Softmax and cross-entropy over the columns of a matrix (rows, columns).
//
// Every row belongs to a team of threads, of which each serves the columns rank, rank + size and so on: a
// warp where rows are short, so that nobody idles, a whole block where they are long. A row is read several
// times, but from the main memory only once: the later times it is in the cache.
//
// Variants: TEAM is WarpTeam or BlockTeam.

#include "reductions.cuh"

using Team = TEAM;

__device__ Accumulator row_maximum(const Real* x, Index columns) {
    Accumulator largest = -infinite();
    for (Index c = Team::rank(); c < columns; c += Team::size()) {
        largest = Maximum::combine(largest, Accumulator(x[c]));
    }
    return Team::reduce<Maximum>(largest);
}

__device__ Accumulator sum_of_exponentials(const Real* x, Index columns, Accumulator shift) {
    Accumulator total = 0;
    for (Index c = Team::rank(); c < columns; c += Team::size()) total += exp(Accumulator(x[c]) - shift);
    return Team::reduce<Sum>(total);
}

extern "C" __global__ void softmax(const Real* x, Real* y, Index rows, Index columns) {
    for (Index m = Team::number(); m < rows; m += Team::count()) {
        const Real* row = x + m * columns;
        const Accumulator maximum = row_maximum(row, columns);
        const Accumulator scale = 1 / sum_of_exponentials(row, columns, maximum);
        for (Index c = Team::rank(); c < columns; c += Team::size()) {
            y[m * columns + c] = exp(Accumulator(row[c]) - maximum) * scale;
        }
    }
}

extern "C" __global__ void log_softmax(const Real* x, Real* y, Index rows, Index columns) {
    for (Index m = Team::number(); m < rows; m += Team::count()) {
        const Real* row = x + m * columns;
        const Accumulator maximum = row_maximum(row, columns);
        const Accumulator log_sum = log(sum_of_exponentials(row, columns, maximum));
        for (Index c = Team::rank(); c < columns; c += Team::size()) {
            y[m * columns + c] = (Accumulator(row[c]) - maximum) - log_sum;
        }
    }
}

extern "C" __global__ void softmax_backward(
    const Real* gy, const Real* y, Real* gx, Index rows, Index columns
) {
    for (Index m = Team::number(); m < rows; m += Team::count()) {
        const Index row = m * columns;
        Accumulator mean = 0;
        for (Index c = Team::rank(); c < columns; c += Team::size()) {
            mean += Accumulator(gy[row + c]) * Accumulator(y[row + c]);
        }
        mean = Team::reduce<Sum>(mean);
        for (Index c = Team::rank(); c < columns; c += Team::size()) {
            gx[row + c] = Accumulator(y[row + c]) * (Accumulator(gy[row + c]) - mean);
        }
    }
}

extern "C" __global__ void log_softmax_backward(
    const Real* gy, const Real* y, Real* gx, Index rows, Index columns
) {
    for (Index m = Team::number(); m < rows; m += Team::count()) {
        const Index row = m * columns;
        Accumulator total = 0;
        for (Index c = Team::rank(); c < columns; c += Team::size()) total += Accumulator(gy[row + c]);
        total = Team::reduce<Sum>(total);
        for (Index c = Team::rank(); c < columns; c += Team::size()) {
            gx[row + c] = Accumulator(gy[row + c]) - exp(Accumulator(y[row + c])) * total;
        }
    }
}

__device__ Accumulator weight_of(const Real* class_weights, Index c) {
    return class_weights == nullptr ? Accumulator(1) : Accumulator(class_weights[c]);
}

// The sum of all class weights.
__device__ Accumulator total_weight(const Real* class_weights, Index columns) {
    if (class_weights == nullptr) return columns;
    Accumulator total = 0;
    for (Index c = Team::rank(); c < columns; c += Team::size()) total += Accumulator(class_weights[c]);
    return Team::reduce<Sum>(total);
}

// -sum of w[c] * log p[c] over the row.
__device__ Accumulator weighted_losses(
    const Real* row, Index columns, const Real* class_weights, Accumulator maximum, Accumulator log_sum
) {
    Accumulator total = 0;
    for (Index c = Team::rank(); c < columns; c += Team::size()) {
        total += weight_of(class_weights, c) * (log_sum - (Accumulator(row[c]) - maximum));
    }
    return Team::reduce<Sum>(total);
}

// A target that is no class has a loss and a gradient of NaN, see `first_wrong_target` in gpu.py.
extern "C" __global__ void cross_entropy(
    const Real* logits, const Index* targets, const Real* class_weights, bool ignores, Index ignore_index,
    Accumulator smoothing, Real* losses, Real* log_normalizer, Index rows, Index columns
) {
    for (Index m = Team::number(); m < rows; m += Team::count()) {
        const Real* row = logits + m * columns;
        const Index target = targets[m];
        const Accumulator maximum = row_maximum(row, columns);
        const Accumulator log_sum = log(sum_of_exponentials(row, columns, maximum));
        Accumulator loss = not_a_number();
        if (ignores && target == ignore_index) {
            loss = 0;
        } else if (0 <= target && target < columns) {
            loss = weight_of(class_weights, target) * (log_sum - (Accumulator(row[target]) - maximum));
            if (smoothing > 0) {
                const Accumulator everywhere = weighted_losses(row, columns, class_weights, maximum, log_sum);
                loss = (1 - smoothing) * loss + smoothing / columns * everywhere;
            }
        }
        if (Team::rank() == 0) {
            losses[m] = loss;
            log_normalizer[m] = maximum + log_sum;
        }
    }
}

// The loss is -sum of pull[c] * log p[c], where the pull is that of the target and that of the smoothing.
extern "C" __global__ void cross_entropy_backward(
    const Real* gy, const Real* logits, const Real* log_normalizer, const Index* targets,
    const Real* class_weights, bool ignores, Index ignore_index, Accumulator smoothing, Real* gradient,
    Index rows, Index columns
) {
    const Accumulator total = smoothing > 0 ? total_weight(class_weights, columns) : Accumulator(0);
    for (Index m = Team::number(); m < rows; m += Team::count()) {
        const Index row = m * columns, target = targets[m];
        const bool is_ignored = ignores && target == ignore_index;
        const bool is_class = 0 <= target && target < columns;
        const Accumulator weight = is_class ? weight_of(class_weights, target) : not_a_number();
        const Accumulator at_target = (1 - smoothing) * weight;
        const Accumulator everywhere = smoothing / columns;
        const Accumulator push = at_target + everywhere * total;
        for (Index c = Team::rank(); c < columns; c += Team::size()) {
            const Accumulator p = exp(Accumulator(logits[row + c]) - Accumulator(log_normalizer[m]));
            Accumulator pull = c == target ? at_target : Accumulator(0);
            if (smoothing > 0) pull += everywhere * weight_of(class_weights, c);
            gradient[row + c] = is_ignored ? Accumulator(0) : Accumulator(gy[m]) * (p * push - pull);
        }
    }
}
