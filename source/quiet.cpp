//go:build !nogocv

#include <opencv2/core/utils/logger.hpp>

using namespace cv::utils::logging;

extern "C" int netgear_source_log(int level) { return setLogLevel(LogLevel(level)); }
