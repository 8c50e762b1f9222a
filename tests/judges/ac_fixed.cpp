// What ac_fixed makes of the integers on standard input: a row for each of them and each format.
//
// ac_fixed MODE    shift bits signed n value result, MODE being the name of a rounding or an overflow mode; n is 0
// ac_fixed both    the same in front of which stand the names of both modes, for all pairs of them

#include "ac_fixed.h"

#include <cstdio>
#include <string>
#include <vector>

using Values = std::vector<long long>;

template <ac_q_mode Q, ac_o_mode O, int W, bool S, int SOURCE, bool SOURCE_SIGNED, int SHIFT>
void judge(const Values &values, const std::string &prefix = "") {
    for (long long value : values) {
        ac_int<SOURCE, SOURCE_SIGNED> bits(value);
        ac_fixed<SOURCE, SOURCE - SHIFT, SOURCE_SIGNED> source;
        source.set_slc(0, bits);
        ac_fixed<W, W, S, Q, O> target(source);
        ac_int<W, S> result = target.template slc<W>(0);
        std::printf("%s%d %d %d 0 %lld ", prefix.c_str(), SHIFT, W, S, (long long)bits.to_int64());
        std::printf(S ? "%lld\n" : "%llu\n", (long long)result.to_int64());
    }
}

// --- rounding, into a format that holds every result --------------------------------------------------

template <ac_q_mode Q, int SOURCE, int SHIFT> void shifted(const Values &values) {
    judge<Q, AC_SAT, 64, true, SOURCE, true, SHIFT>(values);
    judge<Q, AC_SAT, 64, true, SOURCE - 1, false, SHIFT>(values);
}

template <ac_q_mode Q> void rounding(const Values &values) {
    shifted<Q, 9, 1>(values);
    shifted<Q, 9, 2>(values);
    shifted<Q, 9, 3>(values);
    shifted<Q, 9, 8>(values);
    shifted<Q, 9, 14>(values); // a shift beyond the source's width
    shifted<Q, 32, 7>(values);
    shifted<Q, 33, 31>(values);
    shifted<Q, 64, 1>(values);
    shifted<Q, 64, 32>(values);
    shifted<Q, 64, 33>(values);
    shifted<Q, 64, 62>(values);
}

// --- overflow, of integers ----------------------------------------------------------------------------

template <ac_o_mode O, int W> void fitted(const Values &values) {
    judge<AC_TRN, O, W, true, 64, true, 0>(values);
    judge<AC_TRN, O, W, true, 63, false, 0>(values);
    if constexpr (W < 64)
        judge<AC_TRN, O, W, true, W + 1, true, 0>(values);
    judge<AC_TRN, O, W, false, 64, true, 0>(values);
}

template <ac_o_mode O> void overflow(const Values &values) {
    fitted<O, 1>(values);
    fitted<O, 2>(values);
    fitted<O, 3>(values);
    fitted<O, 4>(values);
    fitted<O, 8>(values);
    fitted<O, 32>(values);
    fitted<O, 33>(values);
    fitted<O, 63>(values);
    fitted<O, 64>(values);
}

// --- both, one after the other ------------------------------------------------------------------------

template <ac_q_mode Q, ac_o_mode O> void both(const Values &values, const char *q, const char *o) {
    const std::string names = std::string(q) + " " + o + " ";
    judge<Q, O, 4, true, 10, true, 3>(values, names);
    judge<Q, O, 4, false, 10, true, 3>(values, names);
}

// --- which ---------------------------------------------------------------------------------------------

#define BOTH(Q)                                                                                                        \
    both<Q, AC_WRAP>(values, #Q, "AC_WRAP"), both<Q, AC_SAT>(values, #Q, "AC_SAT"),                                    \
        both<Q, AC_SAT_ZERO>(values, #Q, "AC_SAT_ZERO"), both<Q, AC_SAT_SYM>(values, #Q, "AC_SAT_SYM")
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
    ROUNDING(AC_TRN);
    ROUNDING(AC_TRN_ZERO);
    ROUNDING(AC_RND);
    ROUNDING(AC_RND_ZERO);
    ROUNDING(AC_RND_MIN_INF);
    ROUNDING(AC_RND_INF);
    ROUNDING(AC_RND_CONV);
    ROUNDING(AC_RND_CONV_ODD);
    OVERFLOW(AC_WRAP);
    OVERFLOW(AC_SAT);
    OVERFLOW(AC_SAT_ZERO);
    OVERFLOW(AC_SAT_SYM);
    return mode == "both" ? 0 : 2;
}
