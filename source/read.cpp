//go:build !nogocv

#include <opencv2/imgcodecs.hpp>

// netgear_source_read returns a picture, or null. OpenCV throws an exception
// for a picture whose header claims too many pixels.
extern "C" void *netgear_source_read(const char *file, int *rows, int *cols, int *type, void **data) {
  try {
    cv::Mat picture = cv::imread(file, cv::IMREAD_UNCHANGED);
    if (picture.empty() || !picture.isContinuous()) return nullptr;
    *rows = picture.rows, *cols = picture.cols, *type = picture.type(), *data = picture.data;
    return new cv::Mat(picture);
  } catch (...) {
    return nullptr;
  }
}

extern "C" void netgear_source_free(void *picture) { delete static_cast<cv::Mat *>(picture); }
