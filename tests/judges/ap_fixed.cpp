// What ap_fixed makes of the integers on standard input: a row for each of them and each format.
//
// ap_fixed MODE         shift bits signed n value result, MODE being the name of a rounding or an overflow mode
// ap_fixed both         the same in front of which stand the names of both modes, for all pairs of them
// ap_fixed accumulate   rounding overflow shift bits n cast sum, of TERMS products of 8-bit integers

#include "ap_fixed.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using Values = std::vector<long long>;

constexpr int TERMS = 12;

template <ap_q_mode Q, ap_o_mode O, int N, int W, bool S, int SOURCE, bool SOURCE_SIGNED, int SHIFT>
void judge(const Values &values, const std::string &prefix = "") {
    for (long long value : values) {
        ap_int_base<SOURCE, SOURCE_SIGNED> bits(value);
        ap_fixed_base<SOURCE, SOURCE - SHIFT, SOURCE_SIGNED> source;
        source.V = bits.V;
        ap_fixed_base<W, W, S, Q, O, N> target(source);
        ap_int_base<W, S> result;
        result.V = target.V;
        std::printf("%s%d %d %d %d %lld ", prefix.c_str(), SHIFT, W, S, N, (long long)bits.to_int64());
        std::printf(S ? "%lld\n" : "%llu\n", (long long)result.to_int64());
    }
}

// --- rounding, into a format that holds every result --------------------------------------------------

template <ap_q_mode Q, int SOURCE, int SHIFT> void shifted(const Values &values) {
    judge<Q, AP_SAT, 0, 64, true, SOURCE, true, SHIFT>(values);
    judge<Q, AP_SAT, 0, 64, true, SOURCE - 1, false, SHIFT>(values);
}

template <ap_q_mode Q> void rounding(const Values &values) {
    shifted<Q, 9, 1>(values);
    shifted<Q, 9, 2>(values);
    shifted<Q, 9, 3>(values);
    shifted<Q, 9, 8>(values);
    shifted<Q, 32, 7>(values);
    shifted<Q, 33, 31>(values);
    shifted<Q, 64, 1>(values);
    shifted<Q, 64, 32>(values);
    shifted<Q, 64, 33>(values);
    shifted<Q, 64, 62>(values);
}

// --- overflow, of integers ----------------------------------------------------------------------------

template <ap_o_mode O, int N, int W> void fitted(const Values &values) {
    if constexpr (N <= W) {
        judge<AP_TRN, O, N, W, true, 64, true, 0>(values);
        judge<AP_TRN, O, N, W, true, 63, false, 0>(values);
        if constexpr (W < 64)
            judge<AP_TRN, O, N, W, true, W + 1, true, 0>(values);
        if constexpr (O != AP_WRAP_SM) // for signed formats
            judge<AP_TRN, O, N, W, false, 64, true, 0>(values);
    }
}

template <ap_o_mode O, int N> void overflow_n(const Values &values) {
    fitted<O, N, 1>(values);
    fitted<O, N, 2>(values);
    fitted<O, N, 3>(values);
    fitted<O, N, 4>(values);
    fitted<O, N, 8>(values);
    fitted<O, N, 32>(values);
    fitted<O, N, 33>(values);
    fitted<O, N, 63>(values);
    fitted<O, N, 64>(values);
}

template <ap_o_mode O> void overflow(const Values &values) {
    overflow_n<O, 0>(values);
    if constexpr (O == AP_WRAP || O == AP_WRAP_SM) {
        overflow_n<O, 1>(values);
        overflow_n<O, 2>(values);
        overflow_n<O, 3>(values);
        overflow_n<O, 8>(values);
        overflow_n<O, 64>(values);
    }
}

// --- both, one after the other ------------------------------------------------------------------------

template <ap_q_mode Q, ap_o_mode O, int N> void both_n(const Values &values, const std::string &names) {
    judge<Q, O, N, 4, true, 10, true, 3>(values, names);
    if constexpr (O != AP_WRAP_SM)
        judge<Q, O, N, 4, false, 10, true, 3>(values, names);
}

template <ap_q_mode Q, ap_o_mode O> void both(const Values &values, const char *q, const char *o) {
    const std::string names = std::string(q) + " " + o + " ";
    both_n<Q, O, 0>(values, names);
    if constexpr (O == AP_WRAP || O == AP_WRAP_SM) {
        both_n<Q, O, 1>(values, names);
        both_n<Q, O, 2>(values, names);
        both_n<Q, O, 3>(values, names);
    }
}

// --- sums ---------------------------------------------------------------------------------------------

template <ap_q_mode Q, ap_o_mode O, int N, int W, int SHIFT>
void accumulate(const Values &values, const char *q, const char *o) {
    using Sum = ap_fixed<W, W, Q, O, N>;
    for (bool cast : {false, true}) {
        for (size_t begin = 0; begin + 2 * TERMS <= values.size(); begin += 2 * TERMS) {
            Sum sum = 0;
            for (size_t i = begin; i < begin + 2 * TERMS; i += 2) {
                ap_fixed<8, 8 - SHIFT> a;
                a.V = ap_int<8>(values[i]).V;
                ap_int<8> b(values[i + 1]);
                if (cast)
                    sum += Sum(a * b);
                else
                    sum += a * b;
            }
            std::printf("%s %s %d %d %d %d %lld\n", q, o, SHIFT, W, N, cast, (long long)sum.to_int64());
        }
    }
}

#define ACCUMULATE(Q, O, N, W, SHIFT) accumulate<Q, O, N, W, SHIFT>(values, #Q, #O)

void accumulate_all(const Values &values) {
    ACCUMULATE(AP_TRN, AP_WRAP, 0, 16, 0);
    ACCUMULATE(AP_TRN, AP_WRAP, 0, 12, 4);
    ACCUMULATE(AP_TRN, AP_SAT, 0, 15, 0);
    ACCUMULATE(AP_RND, AP_SAT, 0, 10, 5);
    ACCUMULATE(AP_RND_CONV, AP_SAT, 0, 11, 3);
    ACCUMULATE(AP_RND_ZERO, AP_SAT_SYM, 0, 10, 4);
    ACCUMULATE(AP_RND_INF, AP_SAT_ZERO, 0, 12, 2);
    ACCUMULATE(AP_RND_MIN_INF, AP_WRAP, 1, 12, 2);
    ACCUMULATE(AP_TRN_ZERO, AP_WRAP, 3, 12, 1);
    ACCUMULATE(AP_TRN, AP_WRAP_SM, 0, 13, 1);
    ACCUMULATE(AP_TRN, AP_WRAP_SM, 1, 14, 0);
    ACCUMULATE(AP_RND, AP_WRAP_SM, 2, 12, 3);
}

// --- which ---------------------------------------------------------------------------------------------

#define BOTH(Q)                                                                                                        \
    both<Q, AP_SAT>(values, #Q, "AP_SAT"), both<Q, AP_SAT_ZERO>(values, #Q, "AP_SAT_ZERO"),                            \
        both<Q, AP_SAT_SYM>(values, #Q, "AP_SAT_SYM"), both<Q, AP_WRAP>(values, #Q, "AP_WRAP"),                        \
        both<Q, AP_WRAP_SM>(values, #Q, "AP_WRAP_SM")
#define ROUNDING(Q)                                                                                                    \
    if (mode == #Q)                                                                                                    \
        return rounding<Q>(values), 0;                                                                                 \
    if (mode == "both")                                                                                                \
        BOTH(Q)
#define OVERFLOW(O)                                                                                                    \
    if (mode == #O)                                                                                                    \
    return overflow<O>(values), 0

int main(int count, char **arguments) {
    const std::string mode = count == 2 ? arguments[1] : "";
    Values values;
    for (long long value; std::scanf("%lld", &value) == 1;)
        values.push_back(value);
    if (mode == "accumulate")
        return accumulate_all(values), 0;
    ROUNDING(AP_TRN);
    ROUNDING(AP_TRN_ZERO);
    ROUNDING(AP_RND);
    ROUNDING(AP_RND_ZERO);
    ROUNDING(AP_RND_MIN_INF);
    ROUNDING(AP_RND_INF);
    ROUNDING(AP_RND_CONV);
    OVERFLOW(AP_SAT);
    OVERFLOW(AP_SAT_ZERO);
    OVERFLOW(AP_SAT_SYM);
    OVERFLOW(AP_WRAP);
    OVERFLOW(AP_WRAP_SM);
    return mode == "both" ? 0 : 2;
}
