#include "source/filters/http/compressor.h"

#include <zlib.h>

#include "envoy/extensions/compression/brotli/compressor/v3/brotli.pb.h"
#include "envoy/extensions/compression/gzip/compressor/v3/gzip.pb.h"
#include "envoy/extensions/filters/http/compressor/v3/compressor.pb.h"
#include <brotli/decode.h>

#include "source/filters/http/accept_encoding.h"
#include "test/filters/http/filter_fixture.h"

namespace sluice::filters {
namespace {

using http::HeaderId;
using PerRouteProto = envoy::extensions::filters::http::compressor::v3::CompressorPerRoute;
using Proto = envoy::extensions::filters::http::compressor::v3::Compressor;
using Fields = std::vector<std::pair<std::string, std::string>>;

std::string unzip(const std::string& zipped) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(zipped.data()));
  stream.avail_in = static_cast<uInt>(zipped.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

constexpr const char* kGzip =
    "compressor_library: {name: text, typed_config: {'@type': "
    "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip}}";

class CompressorTest : public test::FilterFixture {
 protected:
  /** The response's headers once the filter has seen them. */
  http::HeaderMap& respond(test::FakeFilterStream& stream, const std::string& accepted, Fields response) {
    stream.start(*config_);
    stream.request(accepted.empty() ? Fields{{":path", "/"}} : Fields{{":path", "/"}, {"accept-encoding", accepted}});
    response.insert(response.begin(), {":status", "200"});
    stream.response(response);
    return *stream.response_headers;
  }
  void use(const std::string& rest) {
    config_ = make<Proto>(*factory_, absl::StrCat("{", kGzip, rest, "}"));
    ASSERT_NE(config_, nullptr) << violations_.toString();
  }
  std::unique_ptr<HttpFilterFactory> factory_ = compressorFactory(dispatcher_, runtime_);
  std::shared_ptr<const http::HttpFilterConfig> config_;
};

TEST_F(CompressorTest, CompressesAndSaysSo) {
  use(", response_direction_config: {}");
  test::FakeFilterStream stream(dispatcher_);
  const auto& headers =
      respond(stream, "br, gzip;q=0.5",
              {{"content-type", "text/plain; charset=utf-8"}, {"content-length", "2000"}, {"etag", "\"abc\""}});
  EXPECT_EQ(headers.get(HeaderId::ContentEncoding), "gzip");
  EXPECT_FALSE(headers.has(HeaderId::ContentLength));
  EXPECT_FALSE(headers.has(HeaderId::Etag));
  EXPECT_EQ(headers.get(HeaderId::Vary), "Accept-Encoding");
  std::string zipped;
  stream.responseData(std::string(1000, 'a'), false, &zipped);
  stream.responseData(std::string(1000, 'b'), true, &zipped);
  EXPECT_LT(zipped.size(), 200u);
  EXPECT_EQ(unzip(zipped), std::string(1000, 'a') + std::string(1000, 'b'));
  EXPECT_EQ(counter("http.h.compressor.text.gzip.response.compressed"), 1u);
  EXPECT_EQ(counter("http.h.compressor.text.gzip.response.total_uncompressed_bytes"), 2000u);
  EXPECT_EQ(counter("http.h.compressor.text.gzip.header_compressor_used"), 1u);
}

TEST_F(CompressorTest, LeavesAloneWhatIsNotForIt) {
  use("");
  const std::pair<const char*, Fields> cases[] = {
      {"", {{"content-type", "text/plain"}, {"content-length", "100"}}},
      {"br", {{"content-type", "text/plain"}, {"content-length", "100"}}},
      {"gzip;q=0", {{"content-type", "text/plain"}, {"content-length", "100"}}},
      {"identity, gzip;q=0.1", {{"content-type", "text/plain"}, {"content-length", "100"}}},
      {"gzip", {{"content-type", "image/png"}, {"content-length", "100"}}},
      {"gzip", {{"content-type", "text/plain"}, {"content-length", "29"}}},
      {"gzip", {{"content-type", "text/plain"}, {"content-length", "100"}, {"content-encoding", "br"}}},
      {"gzip", {{"content-type", "text/plain"}, {"content-length", "100"}, {"cache-control", "no-transform"}}},
  };
  for (const auto& [accepted, response] : cases) {
    test::FakeFilterStream stream(dispatcher_);
    const auto& headers = respond(stream, accepted, response);
    EXPECT_NE(headers.get(HeaderId::ContentEncoding), "gzip") << accepted;
    EXPECT_TRUE(headers.has(HeaderId::ContentLength)) << accepted;
  }
  EXPECT_EQ(counter("http.h.compressor.text.gzip.compressed"), 0u);
  EXPECT_EQ(counter("http.h.compressor.text.gzip.no_accept_header"), 1u);
  EXPECT_EQ(counter("http.h.compressor.text.gzip.content_length_too_small"), 1u);
  EXPECT_EQ(counter("http.h.compressor.text.gzip.header_identity"), 1u);
}

TEST_F(CompressorTest, AStarMeansAny) {
  use("");
  test::FakeFilterStream stream(dispatcher_);
  EXPECT_EQ(respond(stream, "*", {{"content-length", "100"}, {"vary", "Origin"}}).get(HeaderId::ContentEncoding),
            "gzip");
  EXPECT_EQ(stream.response_headers->get(HeaderId::Vary), "Origin, Accept-Encoding");
  EXPECT_EQ(counter("http.h.compressor.text.gzip.header_wildcard"), 1u);
}

TEST_F(CompressorTest, ARouteMaySwitchItOff) {
  use("");
  test::FakeFilterStream stream(dispatcher_);
  stream.per_route.push_back(makePerRoute<PerRouteProto>(*factory_, "{disabled: true}"));
  EXPECT_FALSE(respond(stream, "gzip", {{"content-length", "100"}}).has(HeaderId::ContentEncoding));
}

TEST_F(CompressorTest, RequestsWhenTold) {
  use(", request_direction_config: {common_config: {min_content_length: 10}}");
  test::FakeFilterStream stream(dispatcher_);
  stream.start(*config_);
  stream.request({{"content-length", "40"}, {"content-type", "text/plain"}}, false);
  EXPECT_EQ(stream.request_headers->get(HeaderId::ContentEncoding), "gzip");
  std::string zipped;
  stream.requestData(std::string(40, 'x'), true, &zipped);
  EXPECT_EQ(unzip(zipped), std::string(40, 'x'));
  EXPECT_EQ(counter("http.h.compressor.text.gzip.request.compressed"), 1u);
}

TEST_F(CompressorTest, BrotliReadsBack) {
  const auto library = brotliLibrary({});
  const auto compressor = library->create();
  net::Buffer data;
  data.append(std::string(5000, 'z'));
  compressor->compress(data, false);
  std::string packed = data.toString();
  data.clear();
  data.append("end");
  compressor->compress(data, true);
  packed += data.toString();
  std::string out(1 << 16, '\0');
  size_t size = out.size();
  ASSERT_EQ(BrotliDecoderDecompress(packed.size(), reinterpret_cast<const uint8_t*>(packed.data()), &size,
                                    reinterpret_cast<uint8_t*>(out.data())),
            BROTLI_DECODER_RESULT_SUCCESS);
  EXPECT_EQ(out.substr(0, size), std::string(5000, 'z') + "end");
}

}  // namespace
}  // namespace sluice::filters
