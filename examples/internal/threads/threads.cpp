//go:build !nogocv

#include <cstring>
#include <opencv2/core/utility.hpp>
#include <opencv2/objdetect.hpp>

extern "C" void netgear_example_threads(int n) { cv::setNumThreads(n); }

extern "C" int netgear_example_people(float *out, int room) {
    std::vector<float> w = cv::HOGDescriptor::getDefaultPeopleDetector();
    if (int(w.size()) > room) return 0;
    std::memcpy(out, w.data(), w.size() * sizeof(float));
    return int(w.size());
}
