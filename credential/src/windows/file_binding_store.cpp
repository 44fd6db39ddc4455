#include "mtlspop/credential/binding_store.hpp"
#include "mtlspop/transport/error.hpp"

namespace mtlspop {

gsl::not_null<std::shared_ptr<BindingStore>> MakeFileBindingStore(FileBindingStoreOptions) {
  throw Error{ErrorDetails{
      errors::InvalidArgument, "On Windows, bindings are not kept in files",
      "Use mtlspop::windows::MakeCertificateStoreBindingStore(), which keeps them in CurrentUser\\My"}};
}

}  // namespace mtlspop
