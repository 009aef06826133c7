// A monophonic synth of six partials. Attack and release take 4000 * value^3 ms, linear in amplitude. The decay
// is exponential (LAW_DECAY_K) and takes
//
//     4000 * value^3 * (1 - LAW_SUSTAIN * sustain) * 2^(LAW_KEY * (60 - key) / 12) ms.
//
// The macros say how much it depends on the sustain level and on the key. "Shape" bends the attack, and
// "Tone" makes the even partials softer.
#include "DistrhoPlugin.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#ifndef LAW_SUSTAIN
#define LAW_SUSTAIN 0.6
#endif
#ifndef LAW_KEY
#define LAW_KEY 0.5
#endif
#ifndef LAW_DECAY_K
#define LAW_DECAY_K 3.0
#endif

START_NAMESPACE_DISTRHO

namespace {
const char* const kNames[] = {"Attack", "Decay", "Sustain", "Release", "Shape", "Tone"};
const float kDefaults[] = {0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f};
const uint32_t kCount = 6;
const int kPartials = 6;
const double kTau = 6.283185307179586;

double milliseconds(double value) { return 4000.0 * value * value * value; }

double progress(double x, double k) {
    x = std::min(std::max(x, 0.0), 1.0);
    return std::fabs(k) < 1e-9 ? x : std::expm1(-k * x) / std::expm1(-k);
}
}  // namespace

class LawSynth : public Plugin {
public:
    LawSynth() : Plugin(kCount, 0, 0) { std::copy(kDefaults, kDefaults + kCount, values); }

protected:
    const char* getLabel() const override { return "LawSynth"; }
    const char* getMaker() const override { return "Triptych"; }
    const char* getLicense() const override { return "Apache-2.0"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('L', 'a', 'w', 'S'); }

    void initParameter(uint32_t index, Parameter& parameter) override {
        parameter.hints = kParameterIsAutomatable;
        parameter.name = kNames[index];
        parameter.symbol = kNames[index];
        parameter.ranges.min = 0.0f;
        parameter.ranges.max = 1.0f;
        parameter.ranges.def = kDefaults[index];
    }
    float getParameterValue(uint32_t index) const override { return values[index]; }
    void setParameterValue(uint32_t index, float value) override { values[index] = value; }

    void run(const float**, float** outputs, uint32_t frames, const MidiEvent* events, uint32_t count) override {
        uint32_t event = 0;
        for (uint32_t frame = 0; frame < frames; ++frame) {
            for (; event < count && events[event].frame <= frame; ++event) midi(events[event].data);
            outputs[0][frame] = outputs[1][frame] = sample();
        }
    }

private:
    float values[kCount];
    int key = -1;
    bool held = false;
    double since = 0.0, released = 0.0, reached = 0.0, phase = 0.0;

    void midi(const uint8_t* data) {
        const int kind = data[0] & 0xF0;
        if (kind == 0x90 && data[2] > 0) {
            key = data[1];
            held = true;
            since = 0.0;
        } else if ((kind == 0x80 || kind == 0x90) && data[1] == key && held) {
            reached = gain();
            held = false;
            released = 0.0;
        } else if (kind == 0xB0 && (data[1] == 120 || data[1] == 123)) {
            key = -1;
            held = false;
        }
    }

    double decay_ms() const {
        return milliseconds(values[1]) * (1.0 - LAW_SUSTAIN * values[2]) * std::pow(2.0, LAW_KEY * (60 - key) / 12.0);
    }

    double gain() const {
        const double attack = milliseconds(values[0]), decay = decay_ms();
        if (since < attack) return progress(since / attack, 5.0 * values[4]);
        const double x = decay > 0.0 ? (since - attack) / decay : 1.0;
        return 1.0 - (1.0 - values[2]) * progress(x, LAW_DECAY_K);
    }

    float sample() {
        if (key < 0) return 0.0f;
        const double rate = getSampleRate(), step = 1000.0 / rate;
        double level;
        if (held) {
            level = gain();
            since += step;
        } else {
            const double release = milliseconds(values[3]);
            level = released < release ? reached * (1.0 - released / release) : 0.0;
            released += step;
        }
        phase += 440.0 * std::pow(2.0, (key - 69) / 12.0) / rate;
        phase -= std::floor(phase);
        double sum = 0.0;
        for (int n = 1; n <= kPartials; ++n) {
            const double share = n % 2 == 0 ? 1.0 - 0.9 * values[5] : 1.0;
            sum += share * std::sin(kTau * n * phase + n * n) / n;
        }
        return float(0.2 * level * sum);
    }
};

Plugin* createPlugin() { return new LawSynth(); }

END_NAMESPACE_DISTRHO
