// Numbers that a captured step reads from memory, since its launches repeat the arguments they were captured
// with. They travel as arguments of this launch, which is no part of the graph: no buffer of the host has to
// stay as it is until a copy has finished.

extern "C" __global__ void write_words(
    unsigned long long* words, int start, int count, unsigned long long w0, unsigned long long w1,
    unsigned long long w2, unsigned long long w3, unsigned long long w4, unsigned long long w5,
    unsigned long long w6, unsigned long long w7
) {
    const unsigned long long given[8] = {w0, w1, w2, w3, w4, w5, w6, w7};
    const int i = static_cast<int>(threadIdx.x);
    if (i < count) words[start + i] = given[i];
}
