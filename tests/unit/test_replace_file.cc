// SPDX-License-Identifier: GPL-2.0-or-later
// A file that is replaced: the new one or the old one, and nothing beside it.
#include "common/replace_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vmmig {
namespace {

class ReplaceFileTest : public testing::Test {
 protected:
  ReplaceFileTest() { std::filesystem::create_directories(directory_); }
  ~ReplaceFileTest() override { std::filesystem::remove_all(directory_); }

  std::string text() const {
    std::ostringstream out;
    out << std::ifstream{path_, std::ios::binary}.rdbuf();
    return out.str();
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{directory_}, {}));
  }
  unsigned mode() const {
    struct stat status {};
    EXPECT_EQ(::stat(path_.c_str(), &status), 0);
    return status.st_mode & 0777;
  }

  std::string directory_ = testing::TempDir() + "vmmig-replace-" + std::to_string(::getpid());
  std::string path_ = directory_ + "/rows.json";
};

TEST_F(ReplaceFileTest, WritesAllOfIt) {
  const std::string large(3'000'000, 'x');
  for (const std::string& each : {std::string{"first"}, large, std::string{}, std::string{"\0\n", 2}}) {
    auto written = replaceFile(path_, each);
    ASSERT_TRUE(written) << written.error().text;
    EXPECT_EQ(text(), each);
    EXPECT_EQ(files(), 1u);
  }
}

TEST_F(ReplaceFileTest, OthersReadItOnlyWhenTheCallerSaysSo) {
  auto before = ::umask(022);
  EXPECT_TRUE(replaceFile(path_, "secret"));
  EXPECT_EQ(mode(), 0600u);
  EXPECT_TRUE(replaceFile(path_, "shared", 0640));
  EXPECT_EQ(mode(), 0640u);
  ::umask(before);
}

TEST_F(ReplaceFileTest, WhoHasTheOldOneOpenGoesOnReadingIt) {
  ASSERT_TRUE(replaceFile(path_, "old"));
  std::ifstream reader{path_};
  ASSERT_TRUE(replaceFile(path_, "new"));
  std::string read;
  reader >> read;
  EXPECT_EQ(read, "old") << "written into the file that was there";
}

TEST_F(ReplaceFileTest, AFailureLeavesTheOldOneAndNothingBeside) {
  ASSERT_TRUE(replaceFile(path_, "old"));
  // A disk that is full after 100 octets.
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{}, small{100, 100};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  small.rlim_max = before.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto written = replaceFile(path_, std::string(1000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(text(), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(ReplaceFileTest, AnErrorNamesThePathAndTheReason) {
  auto written = replaceFile(directory_ + "/missing/rows.json", "x");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().text.find("missing/rows.json cannot be written (No such file or directory)"), std::string::npos)
      << written.error().text;
  std::filesystem::create_directories(path_ + "/something");
  EXPECT_FALSE(replaceFile(path_, "x")) << "a directory is in its place";
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace vmmig
