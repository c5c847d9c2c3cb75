// Connectionist temporal classification: a block of threads for every sample, from its scores to the gradient.
//
// The block goes through four stages:
//
// 1. If the scores are logits, its warps find what normalises them, each for a step of its own.
// 2. One half of the threads computes alpha from the first step on while the other computes beta from the last
//    one back, a thread for every state. They meet at one barrier per step; the newest rows lie in shared
//    memory.
// 3. The last alphas give the loss.
// 4. The warps write the gradient, each a step of its own, as now nothing depends on an earlier step. The
//    states of a class are added up by one lane, which follows the links from one place of a label to the next.
//
// Logarithms of probabilities become as large as there are steps, and their differences matter: they are kept
// as double. What is added to the largest of two or three is small and needs no more digits than the scores.

#include "reductions.cuh"

// One sequence of scores and its labels; the states are the labels with blanks around them.
struct Sample {
    const Real* x;
    const double* normalizers;  // nullptr if x are logarithms of probabilities
    const Index* labels;
    Index classes, length;
    int count, blank;

    __device__ int states() const { return 2 * count + 1; }

    __device__ Index class_of(int state) const { return state % 2 == 1 ? labels[state / 2] : blank; }

    // The logarithm of a probability; those below the limit are taken for -infinity.
    __device__ double score(Index t, Index c) const {
        double value = Accumulator(x[t * classes + c]);
        if (normalizers != nullptr) value -= normalizers[t];
        return value < -1e30 ? double(-infinite()) : value;
    }
};

// log(exp(a) + exp(b) + exp(c))
__device__ inline double log_sum(double a, double b, double c) {
    const double largest = Maximum::combine(a, Maximum::combine(b, c));
    if (largest == -infinite() || largest == infinite()) return largest;
    const Accumulator sum = exp(static_cast<Accumulator>(a - largest)) +
                            exp(static_cast<Accumulator>(b - largest)) +
                            exp(static_cast<Accumulator>(c - largest));
    return largest + log(sum);
}

__device__ inline int warp_of_block() { return threadIdx.x / WARP; }
__device__ inline int warps_of_block() { return blockDim.x / WARP; }

// Whether a length or a label is out of range. All threads of the block call it and get the same answer.
__device__ inline bool is_wrong(const Sample& sample, Index steps, Index most_labels) {
    if (sample.length < 0 || sample.length > steps || sample.count < 0 || sample.count > most_labels) {
        return true;
    }
    bool wrong = false;
    for (int j = threadIdx.x; j < sample.count; j += blockDim.x) {
        const Index label = sample.labels[j];
        wrong = wrong || label < 0 || label >= sample.classes || label == sample.blank;
    }
    return __syncthreads_or(wrong);
}

// The logarithms of the sums of the exponentials of the logits.
__device__ inline void normalize(const Sample& sample, double* normalizers) {
    for (Index t = warp_of_block(); t < sample.length; t += warps_of_block()) {
        const Real* row = sample.x + t * sample.classes;
        Accumulator largest = -infinite(), sum = 0;
        for (Index c = WarpTeam::rank(); c < sample.classes; c += WARP) {
            largest = Maximum::combine(largest, Accumulator(row[c]));
        }
        largest = WarpTeam::reduce<Maximum>(largest);
        for (Index c = WarpTeam::rank(); c < sample.classes; c += WARP) {
            sum += exp(Accumulator(row[c]) - largest);
        }
        sum = WarpTeam::reduce<Sum>(sum);
        if (WarpTeam::rank() == 0) normalizers[t] = double(largest) + log(double(sum));
    }
    __syncthreads();
}

// Where each label stands next, or -1; and whether it stands here for the first time.
__device__ inline void find_links(const Sample& sample, int* next, int* is_first) {
    for (int j = threadIdx.x; j < sample.count; j += blockDim.x) {
        int later = j + 1, earlier = j - 1;
        while (later < sample.count && sample.labels[later] != sample.labels[j]) ++later;
        while (earlier >= 0 && sample.labels[earlier] != sample.labels[j]) --earlier;
        next[j] = later < sample.count ? later : -1;
        is_first[j] = earlier < 0;
    }
}

// Alpha by one team of threads or beta by another, both at once, for all threads of the block have to call it.
// Beta is the same as alpha from the last step and the last state back, but that it is kept before the score
// of its step is added. `rows` has room for two rows of `width` states; `kept` (steps, width) may be nullptr.
__device__ inline void run_through_steps(
    const Sample& sample, bool is_forward, int rank, int team, double* rows, double* kept, int width
) {
    const int states = sample.states();
    const auto state_of = [&](int place) { return is_forward ? place : states - 1 - place; };
    const auto step_of = [&](Index i) { return is_forward ? i : sample.length - 1 - i; };
    for (int place = rank; place < states; place += team) rows[place] = place == 0 ? 0 : -infinite();
    // A thread's first score is read a step ahead, so that nobody waits for it.
    const bool has_state = rank < states;
    const Index own_class = has_state ? sample.class_of(state_of(rank)) : 0;
    double ahead = has_state && sample.length > 0 ? sample.score(step_of(0), own_class) : 0;
    for (Index i = 0; i < sample.length; ++i) {
        const double own_score = ahead, *before = rows + i % 2 * width;
        double* after = rows + (i + 1) % 2 * width;
        if (has_state && i + 1 < sample.length) ahead = sample.score(step_of(i + 1), own_class);
        __syncthreads();
        for (int place = rank; place < states; place += team) {
            const int state = state_of(place);
            const Index label = place == rank ? own_class : sample.class_of(state);
            const bool skips = place % 2 == 1 && place >= 3 && label != sample.class_of(state_of(place - 2));
            const double stays = before[place], comes = place > 0 ? before[place - 1] : -infinite();
            const double total = log_sum(stays, comes, skips ? before[place - 2] : -infinite());
            const Index t = step_of(i);
            after[place] = total + (place == rank ? own_score : sample.score(t, label));
            if (kept != nullptr) kept[t * width + state] = is_forward ? after[place] : total;
        }
    }
    __syncthreads();
}

// The gradient at one step, by a warp. `alpha` and `beta` are the rows of the step.
__device__ inline void write_gradient(
    const Sample& sample, Index t, const double* alpha, const double* beta, double log_likelihood,
    Accumulator weight, const int* next, const int* is_first, Real* gradient
) {
    const auto posterior = [&](int state) {
        return exp(static_cast<Accumulator>(alpha[state] + beta[state] - log_likelihood));
    };
    const auto probability = [&](Index c) {
        if (sample.normalizers == nullptr) return Accumulator(0);
        return exp(static_cast<Accumulator>(sample.score(t, c)));
    };
    for (Index c = WarpTeam::rank(); c < sample.classes; c += WARP) gradient[c] = weight * probability(c);
    Accumulator blanks = 0;
    for (int j = WarpTeam::rank(); j <= sample.count; j += WARP) blanks += posterior(2 * j);
    blanks = WarpTeam::reduce<Sum>(blanks);
    __syncwarp(EVERYONE);  // what follows writes again where another lane has written
    for (int j = WarpTeam::rank(); j < sample.count; j += WARP) {
        if (!is_first[j]) continue;
        Accumulator total = 0;
        for (int k = j; k >= 0; k = next[k]) total += posterior(2 * k + 1);
        gradient[sample.labels[j]] = weight * (probability(sample.labels[j]) - total);
    }
    if (WarpTeam::rank() == 0) gradient[sample.blank] = weight * (probability(sample.blank) - blanks);
}

__device__ inline void fill(Real* values, Index size, Accumulator value) {
    for (Index i = threadIdx.x; i < size; i += blockDim.x) values[i] = value;
}

// `gradient`, and then alpha, beta and links, may be nullptr. alpha and beta: (batch, steps, width), links:
// (batch, 2, width). `far_rows` (batch, 4, width) stands for shared memory if that is too small, and is nullptr
// otherwise. A sample with a wrong length or label has a loss and a gradient of NaN, since looking at them
// before would make the program wait for the GPU.
extern "C" __global__ void __launch_bounds__(1024) losses_and_gradient(
    const Real* x, const Index* targets, const Index* input_lengths, const Index* target_lengths, int blank,
    bool is_logits, const Real* weights, Real* losses, Real* gradient, double* alpha, double* beta, int* links,
    double* normalizers, double* far_rows, Index steps, Index classes, Index most_labels, int width
) {
    extern __shared__ double near_rows[];
    const Index n = blockIdx.x;
    double* const sums = normalizers + n * steps;
    const Sample sample = {
        x + n * steps * classes, is_logits ? sums : nullptr, targets + n * most_labels, classes,
        input_lengths[n], static_cast<int>(max(Index(-1), min(target_lengths[n], most_labels + 1))), blank
    };
    Real* const own_gradient = gradient == nullptr ? nullptr : gradient + n * steps * classes;
    if (is_wrong(sample, steps, most_labels)) {
        if (threadIdx.x == 0) losses[n] = not_a_number();
        if (gradient != nullptr) fill(own_gradient, steps * classes, not_a_number());
        return;
    }
    if (is_logits) normalize(sample, sums);

    const int threads = blockDim.x, team = gradient == nullptr ? threads : threads / 2;
    const int thread = threadIdx.x, rank = thread % team;
    const bool is_forward = thread < team;
    double* const rows = far_rows == nullptr ? near_rows : far_rows + n * 4 * width;
    double* const kept = gradient == nullptr ? nullptr : (is_forward ? alpha : beta) + n * steps * width;
    run_through_steps(sample, is_forward, rank, team, is_forward ? rows : rows + 2 * width, kept, width);

    const double* last = rows + sample.length % 2 * width + 2 * sample.count;
    const double before_last = sample.count > 0 ? last[-1] : double(-infinite());
    const double log_likelihood = log_sum(*last, before_last, -infinite());
    if (threadIdx.x == 0) losses[n] = static_cast<Accumulator>(-log_likelihood);
    if (gradient == nullptr) return;

    const bool is_impossible = log_likelihood == -infinite(), is_nan = log_likelihood != log_likelihood;
    const Index written = is_impossible ? 0 : sample.length * classes;
    fill(own_gradient + written, steps * classes - written, 0);
    if (is_nan) fill(own_gradient, written, not_a_number());
    if (is_impossible || is_nan) return;
    int *const next = links + n * 2 * width, *const is_first = next + width;
    find_links(sample, next, is_first);
    __syncthreads();
    for (Index t = warp_of_block(); t < sample.length; t += warps_of_block()) {
        const Index row = (n * steps + t) * width;
        write_gradient(
            sample, t, alpha + row, beta + row, log_likelihood, weights[n], next, is_first,
            own_gradient + t * classes
        );
    }
}
