// A monophonic synth: a tone of eight partials and an envelope of straight lines. The macros give it troubles:
//   ODD_LATENCY=n    its sound is n samples late, as it tells the host; ODD_SECRET_LATENCY=n: it does not tell
//   ODD_OUTPUTS=n    channels after the first ODD_BUSES (2) play loud noise; a VST3 has them in a bus of their own
//   ODD_LOADS_MS=n   it is silent until a thread has "loaded" for n ms
//   ODD_HOME         it is silent without the file ~/.odd/samples, and appends to ~/.odd/log
//   ODD_HOME_DEFAULT without that file it plays its default tone, whatever its preset says
//   ODD_DISPLAY      it ends the process where there is no X display
//   ODD_NAMES        two parameters are called "Attack", others "Drive/Mix", "" and "unused"
#include "DistrhoPlugin.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>
#ifdef ODD_DISPLAY
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#endif

#ifndef ODD_SECRET_LATENCY
#define ODD_SECRET_LATENCY 0
#endif

START_NAMESPACE_DISTRHO

namespace {
const uint32_t kDelay = ODD_LATENCY + ODD_SECRET_LATENCY;
#ifdef ODD_BUSES
const uint32_t kMain = ODD_BUSES;
#else
const uint32_t kMain = 2;
#endif
const double kTau = 6.283185307179586;

struct Described { const char* name; float low, high, value; };
const Described kParameters[] = {
#ifdef ODD_NAMES
    {"Attack", 0.0f, 1.0f, 0.3f},   // of a filter that there is not
#endif
    {"Attack", 0.0f, 2.0f, 0.0f},
    {"Decay", 0.0f, 2.0f, 0.0f},
    {"Sustain", 0.0f, 1.0f, 1.0f},
    {"Release", 0.0f, 2.0f, 0.0f},
    {"Tone", 0.0f, 1.0f, 0.5f},
#ifdef ODD_NAMES
    {"Drive/Mix", 0.0f, 1.0f, 0.0f},
    {"", 0.0f, 1.0f, 0.0f},
    {"unused", 0.0f, 1.0f, 0.0f},
    {"unused", 0.0f, 1.0f, 0.0f},
#endif
};
const uint32_t kCount = sizeof(kParameters) / sizeof(kParameters[0]);
#ifdef ODD_NAMES
const uint32_t kFirst = 1;
#else
const uint32_t kFirst = 0;
#endif

std::string home() {
    const char* const place = std::getenv("HOME");
    return std::string(place == nullptr ? "/nonexistent" : place) + "/.odd/";
}

bool hasFile(const std::string& path) {
    FILE* const file = std::fopen(path.c_str(), "rb");
    if (file != nullptr)
        std::fclose(file);
    return file != nullptr;
}
}  // namespace

class OddSynth : public Plugin
{
public:
    OddSynth() : Plugin(kCount, 0, 0)
    {
        for (uint32_t i = 0; i < kCount; ++i)
            values[i] = kParameters[i].value;
#ifdef ODD_DISPLAY
        checkDisplay();
#endif
#if defined(ODD_HOME) || defined(ODD_HOME_DEFAULT)
        hasSamples = hasFile(home() + "samples");
        if (FILE* const log = std::fopen((home() + "log").c_str(), "ab")) {
            std::fputs("opened\n", log);
            std::fclose(log);
        }
#endif
#ifdef ODD_LOADS_MS
        loader = std::thread([this] {
            for (int waited = 0; waited < ODD_LOADS_MS && !ended; waited += 10)
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
            loaded = true;
        });
#else
        loaded = true;
#endif
#if DISTRHO_PLUGIN_WANT_LATENCY
        setLatency(ODD_LATENCY);
#endif
        delayed.assign(kDelay + 1, 0.0f);
    }

    ~OddSynth() override
    {
        ended = true;
        if (loader.joinable())
            loader.join();
    }

protected:
    const char* getLabel() const override { return ODD_NAME; }
    const char* getMaker() const override { return "Triptych"; }
    const char* getLicense() const override { return "MIT"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst(ODD_ID); }

    void initParameter(uint32_t index, Parameter& parameter) override
    {
        const Described& described = kParameters[index];
        parameter.hints = kParameterIsAutomatable;
        parameter.name = described.name;
        parameter.symbol = ("p" + std::to_string(index)).c_str();
        parameter.ranges.min = described.low;
        parameter.ranges.max = described.high;
        parameter.ranges.def = described.value;
    }

#ifdef ODD_BUSES
    void initAudioPort(bool input, uint32_t index, AudioPort& port) override
    {
        Plugin::initAudioPort(input, index, port);
        // VST2 has no buses; a VST3 gets a main one of ODD_BUSES channels and another one.
        port.groupId = index < ODD_BUSES ? 0 : 1;
    }

    void initPortGroup(uint32_t group, PortGroup& described) override
    {
        described.name = group == 0 ? "Main" : "Others";
        described.symbol = group == 0 ? "main" : "others";
    }

#endif
    void initState(uint32_t, State&) override {}
    String getState(const char*) const override { return String(); }
    void setState(const char*, const char*) override {}
    float getParameterValue(uint32_t index) const override { return values[index]; }
    void setParameterValue(uint32_t index, float value) override { values[index] = value; }

    void run(const float**, float** outputs, uint32_t frames, const MidiEvent* events, uint32_t count) override
    {
        uint32_t next = 0;
        const double rate = getSampleRate();
        for (uint32_t frame = 0; frame < frames; ++frame) {
            while (next < count && events[next].frame <= frame)
                take(events[next++].data);
            const float sound = loaded && hasSound() ? sample(rate) : 0.0f;
            delayed[place] = sound;
            place = (place + 1) % delayed.size();
            const float late = delayed[place];
            for (uint32_t channel = 0; channel < ODD_OUTPUTS; ++channel) {
                seed = seed * 1664525u + 1013904223u;
                const float noise = 0.5f * (static_cast<float>(seed >> 8) / 8388608.0f - 1.0f);
                outputs[channel][frame] = channel < kMain ? late : noise;
            }
        }
    }

private:
    void take(const uint8_t* data)
    {
        const uint8_t status = data[0] & 0xf0;
        if (status == 0x90 && data[2] > 0) {
            key = data[1];
            level = 0.0; phase = 0.0; stage = 0;
        } else if ((status == 0x80 || status == 0x90) && data[1] == key && stage < 3) {
            stage = 3; from = level;
        } else if (status == 0xb0 && (data[1] == 120 || data[1] == 123)) {
            level = 0.0; stage = 4;
        }
    }

    bool hasSound() const
    {
#ifdef ODD_HOME
        return hasSamples;
#else
        return true;
#endif
    }

    double value(uint32_t index) const { return values[kFirst + index]; }

    float sample(double rate)
    {
        const double sustain = value(2);
        const auto step = [rate](double seconds) { return 1.0 / std::fmax(1.0, seconds * rate); };
        if (stage == 0 && (level += step(value(0))) >= 1.0) { level = 1.0; stage = 1; }
        else if (stage == 1 && (level -= (1.0 - sustain) * step(value(1))) <= sustain) { level = sustain; stage = 2; }
        else if (stage == 3 && (level -= from * step(value(3))) <= 0.0) { level = 0.0; stage = 4; }
        if (stage == 4)
            return 0.0f;
        phase += 440.0 * std::pow(2.0, (key - 69) / 12.0) / rate;
        phase -= std::floor(phase);
        double tone = 0.5;
#ifdef ODD_HOME_DEFAULT
        if (hasSamples)
#endif
        tone = value(4);
        double sum = 0.0, gain = 1.0;
        for (int partial = 1; partial <= 8; ++partial, gain *= tone)
            sum += gain * std::sin(kTau * phase * partial);
        return static_cast<float>(0.1 * level * sum);
    }

#ifdef ODD_DISPLAY
    static void checkDisplay()
    {
        const char* const display = std::getenv("DISPLAY");
        const int number = display == nullptr || display[0] != ':' ? -1 : std::atoi(display + 1);
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        std::snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/.X11-unix/X%d", number);
        const int server = socket(AF_UNIX, SOCK_STREAM, 0);
        if (number < 0 || connect(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
            std::fputs("odd: cannot open the display\n", stderr);
            std::_Exit(1);
        }
        close(server);
    }
#endif

    float values[kCount];
    std::atomic<bool> loaded{false}, ended{false};
    std::thread loader;
    bool hasSamples = false;
    std::vector<float> delayed;
    size_t place = 0;
    int key = 60, stage = 4;
    double level = 0.0, from = 0.0, phase = 0.0;
    uint32_t seed = 1;
};

Plugin* createPlugin() { return new OddSynth(); }

END_NAMESPACE_DISTRHO
