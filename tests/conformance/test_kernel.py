"""Jupyter's own tests of a kernel, all of them, on the kernel that is installed.

Call with an environment that has jupyter_kernel_test, and JUPYTER_PATH if the kernel is registered elsewhere:
    python -m unittest -v tests/conformance/test_kernel.py
"""

import os
import tempfile
import time

import jupyter_kernel_test
from jupyter_client.manager import start_new_kernel

PRELUDE = "use noisebook::prelude::*;"


class NoisebookTests(jupyter_kernel_test.KernelTests):
    kernel_name = "noisebook"
    language_name = "rust"
    file_extension = ".rs"

    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("to stderr");'
    code_page_something = ":help"
    code_generate_error = 'panic!("as it should")'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"text"', "result": '"text"'},
        {"code": "vec![1, 2]", "result": "[1, 2]"},
    ]
    code_display_data = [
        {"code": 'noisebook::show::Bundle::text("plain").html("<b>rich</b>").show()?;', "mime": "text/html"},
    ]
    code_clear_output = "noisebook::show::clear_output()?;"
    code_inspect_sample = "Schedule::cosine"
    code_history_pattern = "6 [*] 7"
    supported_history_operations = ("tail", "range", "search")

    completion_samples = [
        {"text": "Schedule::lin", "matches": {"linear"}},
        {"text": "std::mem::swa", "matches": {"swap"}},
    ]
    complete_code_samples = ["1 + 1", "let x = 1;", "fn f() {}", "use std::fmt;", ":help", "if true { 1 } else { 2 }", ""]
    incomplete_code_samples = ["fn f() {", "let x = (", "let x =", "1 +", '"text', 'r#"text"', "/* note", "vec![1,"]
    invalid_code_samples = [")", "let = 1;", "fn 1() {}", "(]"]

    def get_non_kernel_info_reply(self, timeout=None):
        # Some tests would wait for ever.
        return super().get_non_kernel_info_reply(timeout or jupyter_kernel_test.TIMEOUT)

    @classmethod
    def setUpClass(cls):
        # The history goes to a folder of its own, not to the user's.
        cls.data = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.data.cleanup)
        env = {**os.environ, "XDG_DATA_HOME": cls.data.name}
        cls.km, cls.kc = start_new_kernel(kernel_name=cls.kernel_name, env=env)
        cls.kc.execute_interactive(PRELUDE, timeout=60)
        # Completion reads the crate first; an answer before that is empty.
        for _ in range(20):
            if "linear" in cls.kc.complete("Schedule::lin", 13, reply=True, timeout=30)["content"]["matches"]:
                break
            time.sleep(1)


class WelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "noisebook"
    support_iopub_welcome = True


if __name__ == "__main__":
    import unittest

    unittest.main()
